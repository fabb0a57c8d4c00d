"""nocaps: ten captions of each Open Images image, in the form of COCO's captions, with a domain."""

from collections.abc import Iterator

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, clean, extra, stated_size
from ib_data.sample import Annotation


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per caption. `image_id` is a number in this file; images are named by `open_images_id`."""
    media_of: dict[int, tuple[MediaRef, str | None]] = {}
    for image in files.rows("annotations", "images"):
        image_id = image.get("id", int)
        if image_id in media_of:
            raise image.error(f"image id {image_id} occurs twice", "fetch the official file again")
        media = MediaRef("openimages_nocaps", image.get("open_images_id", str), size_px=stated_size(image))
        media_of[image_id] = media, image.get("domain", str, None)
    for row in files.rows("annotations", "annotations"):
        row_id, image_id = str(row.get("id", int)), row.get("image_id", int)
        if image_id not in media_of:
            yield Drop(row_id, "caption without image")
            continue
        media, domain = media_of[image_id]
        annotation = Annotation(id=row_id, caption=clean(row.get("caption", str)), extra=extra(domain=domain))
        yield Row(media, annotation)
