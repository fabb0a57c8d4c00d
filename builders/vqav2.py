"""VQA v2.0: questions with ten answers each on COCO 2014 images; the answers of the test split are hidden."""

from collections.abc import Iterator

from ib_data.builders.files import Files
from ib_data.builders.rows import Drop, Row
from ib_data.builders.vqa_files import question_rows

FOLDERS = {"train": "train2014", "validation": "val2014", "test": "test2015"}


def rows(files: Files) -> Iterator[Row | Drop]:
    """An annotation a question."""
    return question_rows(files, FOLDERS[files.split], ids_per_image=1000)
