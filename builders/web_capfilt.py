"""Web CapFilt: a list of URLs with captions that BLIP wrote and filtered; the images are fetched one by one."""

import hashlib
from collections.abc import Iterator

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, clean
from ib_data.sample import Annotation

_ID_DIGITS = 24  # 96 bits of the URL's SHA-256: among 14 million URLs two would share them once in 10**15 lists


def rows(files: Files) -> Iterator[Row | Drop]:
    """An annotation a row. Rows have no id: it is their place in the list. An image is known by its URL."""
    for number, row in enumerate(files.rows("annotations")):
        url, row_id = row.get("url", str).strip(), f"{number:08d}"
        if not url:
            yield Drop(row_id, "no URL")
            continue
        image_id = hashlib.sha256(url.encode()).hexdigest()[:_ID_DIGITS]
        media = MediaRef("web_capfilt_images", image_id, url)
        yield Row(media, Annotation(id=row_id, caption=clean(row.get("caption", str))))
