"""MSRVTT-QA: questions on the clips of MSR-VTT."""

from collections.abc import Iterator

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, clean, count_answers
from ib_data.sample import Annotation


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per question. `category_id` is required: without it the rows look like those of MSVD-QA."""
    for row in files.rows("annotations"):
        annotation = Annotation(
            id=str(row.get("id", int)),
            question=clean(row.get("question", str)),
            answers=count_answers([row.get("answer", str)]),
            extra={"category_id": row.get("category_id", int)},
        )
        yield Row(MediaRef("msrvtt_videos", row.get("video_id", int)), annotation)
