"""VQA v2.0: questions with ten answers each on COCO 2014 images; the answers of the test split are hidden."""

from collections.abc import Iterator

from ib_data.builders.formats.vqa_files import question_rows
from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, Row


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per question."""
    return question_rows(files, ids_per_image=1000)
