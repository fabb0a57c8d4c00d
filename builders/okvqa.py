"""OK-VQA v1.1: knowledge questions in the files of the VQA family; five annotators, each answer given twice."""

from collections.abc import Iterator

from ib_data.builders.formats.vqa_files import question_rows
from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, Row


def rows(files: Files) -> Iterator[Row | Drop]:
    """An annotation a question; `answers` are the stemmed ones, what was typed stands in `extra.raw_answers`."""
    return question_rows(files, has_raw_answers=True)
