"""ScienceQA, the problems with an image: a question with two to five choices, and often a hint as its context."""

from collections.abc import Iterator

from ib_data.builders.files import Files
from ib_data.builders.rows import Drop, MediaRef, Row, extra
from ib_data.sample import Annotation
from ib_data.strict import Table

FOLDERS = {"train": "train", "validation": "val", "test": "test"}
# Lecture and solution give the answer away: never a part of the context.
_KEPT = ("task", "grade", "subject", "topic", "category", "skill", "lecture", "solution")


def rows(files: Files) -> Iterator[Row | Drop]:
    """An annotation a problem of the split, whose texts stay as they are: their line breaks carry meaning."""
    folder = FOLDERS[files.split]
    problems = Table.of(files.json("annotations"), files.dataset, files.name("annotations"))
    splits = Table.of(files.json("splits"), files.dataset, files.name("splits"))
    splits.get(folder, list)
    for pid in splits.texts(folder):
        if pid not in problems.values:
            yield Drop(pid, "listed without a problem")
            continue
        problem = problems.table(pid)
        image = "" if problem.values.get("image", "") is None else problem.get("image", str)
        if not image:
            yield Drop(pid, "no image")
        else:
            yield Row(MediaRef(f"scienceqa_{folder}", f"{folder}/{pid}/{image}"), _annotation(problem, pid))


def _annotation(problem: Table, pid: str) -> Annotation:
    return Annotation(
        id=pid,
        question=_text(problem, "question"),
        options=tuple(choice if choice.strip() else "" for choice in problem.texts("choices")),
        answer_index=problem.get("answer", int),
        context=_text(problem, "hint"),
        extra=extra(**{key: problem.get(key, str, None) for key in _KEPT}),
    )


def _text(problem: Table, key: str) -> str | None:
    """The text of a key; None where it holds nothing but blanks."""
    text = problem.get(key, str)
    return text if text.strip() else None
