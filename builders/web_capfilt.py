"""Web CapFilt: a list of URLs with captions that BLIP generated and filtered; images are fetched one by one."""

import hashlib
from collections.abc import Iterator

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, clean
from ib_data.sample import Annotation

_ID_DIGITS = 24  # 96 bits of the URL's SHA-256: two of 14 million URLs collide with probability 10**-15


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per row. Rows have no ids; the id is the place in the list. An image is identified by its URL."""
    for number, row in enumerate(files.rows("annotations")):
        url, row_id = row.get("url", str).strip(), f"{number:08d}"
        if not url:
            yield Drop(row_id, "no URL")
            continue
        image_id = hashlib.sha256(url.encode()).hexdigest()[:_ID_DIGITS]
        media = MediaRef("web_capfilt_images", image_id, url)
        yield Row(media, Annotation(id=row_id, caption=clean(row.get("caption", str))))
