"""COCO captions: Karpathy's split file on COCO 2014 images, or the official caption files on COCO 2017 images."""

from collections.abc import Iterator

from ib_data.builders.formats.karpathy import karpathy_rows, karpathy_split
from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, Row, clean, coco, stated_size
from ib_data.errors import quoted
from ib_data.sample import Annotation

# Karpathy's `restval` is the rest of val2014; every published "Karpathy train" of 566,747 captions includes it.
KARPATHY = {"train": "train", "restval": "train", "val": "validation", "test": "test"}
FOLDERS = ("train2014", "val2014")
OFFICIAL = {"train": "train2017", "validation": "val2017"}


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per caption, with outer blanks removed and line breaks and runs of blanks as one blank."""
    return _karpathy(files) if files.form == "karpathy" else _official(files)


def _karpathy(files: Files) -> Iterator[Row | Drop]:
    for image in files.rows("annotations", "images", dataset="coco"):
        if karpathy_split(image, KARPATHY) != files.split:
            continue
        folder, image_id = image.get("filepath", str), image.get("cocoid", int)
        if folder not in FOLDERS:
            raise image.error(f"'filepath': expected {' or '.join(FOLDERS)}, found {quoted(folder)}")
        # With the folder, since the number alone may be the id of a sentence.
        yield from karpathy_rows(image, coco(folder, image_id), f"{folder}/{image_id}")


def _official(files: Files) -> Iterator[Row | Drop]:
    captions, images = files.lists("annotations", "annotations", "images")
    sizes = {image.get("id", int): stated_size(image) for image in images}
    for row in captions:
        image_id = row.get("image_id", int)
        media = coco(OFFICIAL[files.split], image_id, sizes.get(image_id))
        yield Row(media, Annotation(id=str(row.get("id", int)), caption=clean(row.get("caption", str))))
