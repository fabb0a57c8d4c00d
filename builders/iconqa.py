"""IconQA, multi-text-choice: a question about a diagram, with the index of the right one of two to five texts."""

from collections.abc import Iterator

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, clean, extra
from ib_data.sample import Annotation
from ib_data.strict import Table

FOLDERS = {"train": "train", "validation": "val", "test": "test"}
TEXT_CHOICE = "choose_txt"


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per folder [SPLIT/]SUBTASK/ID of the source; folders without SPLIT are the test split."""
    folder = FOLDERS[files.split]
    for path, problem in files.tree("annotations"):
        split, *place = path.parent.parts if path.parts[0] in FOLDERS.values() else ("test", *path.parent.parts)
        if split != folder:
            continue
        if not place:
            raise problem.error("expected a file in a folder SUBTASK/ID", "unpack the official archive again")
        if problem.get("ques_type", str) != TEXT_CHOICE:
            yield Drop(place[-1], "not multi-text-choice")
        else:
            yield Row(MediaRef(f"iconqa_{folder}", "/".join(place)), _annotation(problem, place[-1]))


def _annotation(problem: Table, row_id: str) -> Annotation:
    return Annotation(
        id=row_id,
        question=clean(problem.get("question", str)),
        options=tuple(map(clean, problem.texts("choices"))),
        answer_index=problem.get("answer", int),
        extra=extra(grade=problem.get("grade", str, None), label=problem.get("label", str, None)),
    )
