"""LLaVA-Instruct-150K, conversations: several turns about a COCO image, each with the turns before it."""

from collections.abc import Iterator

from ib_data.builders.formats.llava import CONVERSATION, turn_rows
from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, Row


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per turn."""
    return turn_rows(files, CONVERSATION)
