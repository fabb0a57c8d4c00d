"""LLaVA-Instruct-150K, complex reasoning: one turn about a COCO image."""

from collections.abc import Iterator

from ib_data.builders.formats.llava import REASONING, turn_rows
from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, Row


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per turn."""
    return turn_rows(files, REASONING)
