"""Checks of sentences by `ib-data templates lint`: punctuation, and whether the target continues an open sentence."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ib_data.errors import quoted
from ib_data.templates.lint.rules import Run, around, place_of
from ib_data.templates.template import Template

# A comma may follow the full stop of an abbreviation.
_DOUBLED = re.compile(r"\.[.?!:;]")
# An open sentence: the target reads as its last words.
_OPEN = re.compile(r"[\w,)]$")
_SENTENCES = frozenset({"caption", "question", "statement"})
_YES_NO = ("yes", "no")
# Words that announce the target, so that any target may follow: "the answer is", "a brief reply would be".
_NAMING = frozenset(
    ("answer", "choice", "label", "option", "reply", "response", "result", "solution", "verdict", "word", "words")
)
_LAST_WORDS = 5


def doubled_marks(template: Template, runs: Iterable[Run]) -> Iterator[str]:
    """A message for the first punctuation mark right after a value that ends in a full stop.

    Zero-shot prompts are exempt, since they are the paper's.
    """
    if template.kind == "zero_shot":
        return
    for run in runs:
        for text, _ in run.in_stops.segments:
            if found := _DOUBLED.search(text):
                what = f"doubles the mark of a value that ends in a full stop, {around(text, found)} ({place_of(run)})"
                yield f"{what}; end the line there, or continue in words"
                return


def completions(template: Template, runs: Sequence[Run]) -> Iterator[str]:
    """Messages for a training template that leaves a sentence open that targets do not continue."""
    if template.kind == "zero_shot":
        return
    left_open = [run for run in runs if _is_open(run)]
    yield from _capitals(template, left_open)
    for run in left_open:
        words = re.findall(r"\w+", run.in_words.instruction.lower())[-_LAST_WORDS:]
        if run.target.lower() in _YES_NO and not _NAMING & {*words}:
            what = f"leaves open {quoted(run.in_words.instruction[-30:])} before {run.target!r} ({place_of(run)})"
            yield f"{what}; name what follows (the answer is), or close the sentence"
            return


def _is_open(run: Run) -> bool:
    """Whether the template ends in literal words that do not end a sentence; a value at the end does not count."""
    ends = run.in_words.instruction, run.in_stops.instruction
    return all(_OPEN.search(end) for end in ends)


def _capitals(template: Template, left_open: Iterable[Run]) -> Iterator[str]:
    """A message per dataset whose captions or questions mostly begin with a capital after an open sentence."""
    capital, total, first = Counter[str](), Counter[str](), dict[str, str]()
    for run in left_open:
        target, name = template.target_for(run.values.keys()), run.card.name
        if target and target.needs & _SENTENCES:
            total[name] += 1
            if run.target[:1].isupper() and not run.target[1:2].isupper():
                capital[name] += 1
                first.setdefault(name, f"{quoted(run.target)} ({place_of(run)})")
    for name, count in capital.items():
        if count > total[name] / 2:
            what = f"leaves a sentence open, and {count} of {total[name]} targets of {name} begin a new sentence"
            yield f"{what}: {first[name]}; close it with a colon or a full stop"
