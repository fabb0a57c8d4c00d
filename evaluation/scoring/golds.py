"""The right answers of a case, as metrics compare them and as people read them."""

from collections.abc import Mapping
from typing import Any

from ib_data.evaluation.case import Case
from ib_data.evaluation.protocols.protocol import Protocol

# In place of an answer that an annotator left empty, or that the builder keeps apart: equal to no prediction. It is not
# left out, since a score is the mean over all annotators.
NO_ANSWER = "\u2205"


def references(protocol: Protocol, case: Case) -> list[str]:
    """The references of a case: what `Protocol.golds` names, or each annotator's answer. Empty ones are unknown."""
    first = case.annotations[0]
    if protocol.golds == "captions":
        return [annotation.caption for annotation in case.annotations if annotation.caption]
    if protocol.golds == "question":
        return [first.question or ""]
    if protocol.golds == "label":
        return [first.label or ""]
    if protocol.golds == "option":
        return [] if first.answer_index is None else [first.options[first.answer_index]]
    found = [answer.text for answer in first.answers for _ in range(answer.count)]
    return found + [NO_ANSWER] * (protocol.annotators - len(found))


def counted(case: Case) -> dict[str, int]:
    """How many annotators gave each answer."""
    return {answer.text: answer.count for answer in case.annotations[0].answers}


def only_answer(protocol: Protocol, case: Case) -> str:
    """The answer of most annotators, the first of equals; else the first reference."""
    answers = case.annotations[0].answers
    if protocol.golds == "answers" and answers:
        return max(answers, key=lambda answer: answer.count).text
    return next(iter(references(protocol, case)), "")


def readable(protocol: Protocol, case: Case) -> tuple[str, ...]:
    """The distinct references; empty if the right answer is not public."""
    return tuple(dict.fromkeys(text for text in references(protocol, case) if text not in ("", NO_ANSWER)))


def label_of(protocol: Protocol, text: str) -> str:
    """The label that a text means: itself, or the one with this word. The text itself if there is none."""
    word = text.strip().strip(".!").lower()
    for label, words in protocol.verbalisers.items():
        if word == label.lower() or word in (known.lower() for known in words):
            return label
    return text


def extra_at(case: Case, name: str) -> Any:
    """The value of `Annotation.extra` at a dotted name, None if there is none."""
    found: Any = case.annotations[0].extra
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
