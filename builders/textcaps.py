"""TextCaps v0.1: captions that need the words in the image, on TextVQA's images and with the tokens read there."""

from collections.abc import Iterator

from ib_data.builders.formats.scene_text import image_of, read_tokens, rows_of
from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, Row, clean, extra
from ib_data.sample import Annotation
from ib_data.strict import Table


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per caption."""
    found = rows_of(files, "textcaps")
    tokens = read_tokens(files, found)
    for row in found:
        yield Row(image_of(files, row), _annotation(row, tokens.get(row.get("image_id", str), ())))


def _annotation(row: Table, ocr_tokens: tuple[str, ...]) -> Annotation:
    return Annotation(
        id=str(row.get("caption_id", int)),
        caption=clean(row.get("caption_str", str)),
        ocr_tokens=ocr_tokens,
        extra=extra(
            image_classes=list(row.texts("image_classes")),
            flickr_original_url=row.get("flickr_original_url", str, None),
        ),
    )
