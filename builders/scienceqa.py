"""ScienceQA, the problems with an image: a question with two to five choices, and often a hint as its context."""

from collections.abc import Iterator

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, extra
from ib_data.errors import quoted
from ib_data.sample import Annotation
from ib_data.strict import Table

FOLDERS = {"train": "train", "validation": "val", "test": "test"}
# Lecture and solution reveal the answer, so they are never part of the context.
_KEPT = ("task", "grade", "subject", "topic", "category", "skill", "lecture", "solution")


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per problem of the split. Texts are unchanged, since their line breaks carry meaning."""
    folder = FOLDERS[files.split]
    problems = dict(files.keyed("annotations"))
    splits = files.table("splits")
    splits.get(folder, list)
    listed = splits.texts(folder)
    if listed and problems.keys().isdisjoint(listed):
        raise files.wrong_file("annotations", f"none of the problems listed in {files.name('splits')} is here")
    _agree(problems, set(listed), folder, files.name("splits"))
    for pid in listed:
        problem = problems.get(pid)
        if problem is None:
            yield Drop(pid, "listed without a problem")
            continue
        image = "" if problem.values.get("image", "") is None else problem.get("image", str)
        media = MediaRef(f"scienceqa_{folder}", f"{folder}/{pid}/{image}")
        yield Row(media, _annotation(problem, pid)) if image else Drop(pid, "no image")


def _agree(problems: dict[str, Table], listed: set[str], folder: str, list_name: str) -> None:
    """Raise DataError if the split of a problem contradicts the list of the split."""
    for pid, problem in problems.items():
        own = problem.get("split", str, None)
        if own is not None and (own == folder) != (pid in listed):
            found = f"{list_name} lists it under {folder!r}" if pid in listed else f"{list_name} does not list it there"
            raise problem.error(f"'split' is {quoted(own)}, but {found}", "fetch both files again")


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
    """The text at a key; None if it is blank."""
    text = problem.get(key, str)
    return text if text.strip() else None
