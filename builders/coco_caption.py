"""COCO captions: Karpathy's split file on COCO 2014 images, or the official caption files on COCO 2017 images."""

from collections.abc import Iterator

from ib_data.builders.files import Files
from ib_data.builders.rows import Drop, Row, clean, coco
from ib_data.sample import Annotation

# Karpathy's `restval` is the rest of val2014; every published "Karpathy train" of 566,747 captions includes it.
KARPATHY = {"train": ("train", "restval"), "validation": ("val",), "test": ("test",)}
OFFICIAL = {"train": "train2017", "validation": "val2017"}


def rows(files: Files) -> Iterator[Row | Drop]:
    """An annotation a caption; outer blanks go, line breaks and runs of blanks become one blank."""
    return _karpathy(files) if files.form == "karpathy" else _official(files)


def _karpathy(files: Files) -> Iterator[Row | Drop]:
    for image in files.rows("annotations", "images", dataset="coco"):
        if image.get("split", str) in KARPATHY[files.split]:
            media = coco(image.get("filepath", str), image.get("cocoid", int))
            for sentence in image.tables("sentences"):
                caption = clean(sentence.get("raw", str))
                yield Row(media, Annotation(id=str(sentence.get("sentid", int)), caption=caption))


def _official(files: Files) -> Iterator[Row | Drop]:
    for row in files.rows("annotations", "annotations"):
        media = coco(OFFICIAL[files.split], row.get("image_id", int))
        yield Row(media, Annotation(id=str(row.get("id", int)), caption=clean(row.get("caption", str))))
