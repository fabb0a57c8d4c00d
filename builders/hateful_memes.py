"""Hateful Memes: an image with words on it, hateful or not; ids are texts with leading zeros."""

import re
from collections.abc import Iterator

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, clean
from ib_data.sample import Annotation
from ib_data.strict import Table

LABELS = {0: "not hateful", 1: "hateful"}
_IMAGE = re.compile(r"img/([0-9A-Za-z_-]+)\.png")


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per meme, with its words as `context`."""
    for row in files.lines("annotations"):
        image = row.get("img", str)
        match = _IMAGE.fullmatch(image)
        if match is None:
            raise row.error(f"'img': expected img/ID.png, found {image!r}")
        yield Row(MediaRef("hateful_memes_images", match[1]), _annotation(row))


def _annotation(row: Table) -> Annotation:
    number = row.get("label", int, None)
    if number is not None and number not in LABELS:
        raise row.error(f"'label': expected 0 or 1, found {number}")
    return Annotation(
        id=row.get("id", str),
        context=clean(row.get("text", str)),
        label=None if number is None else LABELS[number],
    )
