"""The right answers of a case, as metrics compare them and as people read them."""

from collections.abc import Mapping
from typing import Any

from ib_data.cards import load_card
from ib_data.evaluation.case import Case
from ib_data.evaluation.protocols.protocol import Protocol, is_captioning

# In place of an answer that an annotator left empty, or that the builder keeps apart: equal to no prediction. It is not
# left out, since a score is the mean over all annotators.
NO_ANSWER = "\u2205"


def references(protocol: Protocol, case: Case) -> list[str]:
    """The references of a case: its captions, the question to be generated, its label, or each annotator's answer."""
    card = load_card(protocol.dataset)
    first = case.annotations[0]
    if is_captioning(card):
        return [annotation.caption for annotation in case.annotations if annotation.caption]
    if card.task == "question_generation":
        return [first.question or ""]
    if protocol.verbalisers:
        return [first.label or ""]
    found = [answer.text for answer in first.answers for _ in range(answer.count)]
    return found + [NO_ANSWER] * (protocol.annotators - len(found))


def counted(case: Case) -> dict[str, int]:
    """How many annotators gave each answer."""
    return {answer.text: answer.count for answer in case.annotations[0].answers}


def majority(protocol: Protocol, case: Case) -> str:
    """The label, or the answer of most annotators, the first of equals."""
    first = case.annotations[0]
    if protocol.verbalisers:
        return first.label or ""
    return max(first.answers, key=lambda answer: answer.count).text if first.answers else ""


def readable(protocol: Protocol, case: Case) -> tuple[str, ...]:
    """The distinct right answers: the right option of a choice, else the references."""
    first = case.annotations[0]
    if first.options and first.answer_index is not None and protocol.metric in ("choice-accuracy", "mrr"):
        return (first.options[first.answer_index],)
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
