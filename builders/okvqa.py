"""OK-VQA v1.1: knowledge questions in the files of the VQA family; five annotators, each answer given twice."""

from collections.abc import Iterator

from ib_data.builders.formats.vqa_files import question_rows
from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, Row


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per question. `answers` are stemmed; `extra.raw_answers` has them as typed."""
    return question_rows(files, has_raw_answers=True)
