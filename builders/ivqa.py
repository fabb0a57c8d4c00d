"""iVQA: a question with five answers on a part of an instructional video."""

import re
from collections.abc import Iterator

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, clean, count_answers, extra
from ib_data.sample import Annotation
from ib_data.strict import Table

_ANSWERS = tuple(f"answer{i}" for i in range(1, 6))
_TIMES = ("start", "end")
_VIDEO = re.compile(r"[A-Za-z0-9_-]+")
_SECONDS = re.compile(r"(\d{1,6}(?:\.\d{0,5}[1-9])?)\.?0{0,6}")


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per row. The rows have no ids; the id is the line number, which the authors keep fixed."""
    for number, row in enumerate(files.csv("annotations", ("video_id", "question", *_ANSWERS))):
        annotation = Annotation(
            id=f"{files.split}-{number:05d}",
            question=clean(row.get("question", str)),
            answers=count_answers(row.get(name, str) for name in _ANSWERS),
            extra=extra(**{name: _seconds(row, name) for name in _TIMES if name in row.values}),
        )
        yield Row(MediaRef("ivqa_clips", _clip(row)), annotation)


def _clip(row: Table) -> str:
    """The name of the clip: VIDEO_START_END, or VIDEO if the file has no times."""
    video = row.get("video_id", str)
    if not _VIDEO.fullmatch(video):
        raise row.error(f"'video_id': expected the id of a YouTube video, found {video[:60]!r}")
    return "_".join([video, *(_seconds(row, name) for name in _TIMES if name in row.values)])


def _seconds(row: Table, name: str) -> str:
    """A time as text, without zeros after the point: 12 for both `12` and `12.0`."""
    found = _SECONDS.fullmatch(row.get(name, str))
    if not found:
        raise row.error(f"{name!r}: expected seconds, found {row.values[name][:60]!r}")
    return found[1]
