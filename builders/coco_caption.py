"""COCO captions: Karpathy's split file on COCO 2014 images, or the official caption files on COCO 2017 images."""

from collections.abc import Iterator, Mapping

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, clean, coco, stated_size
from ib_data.errors import quoted
from ib_data.sample import Annotation
from ib_data.strict import Table

# Karpathy's `restval` is the rest of val2014; every published "Karpathy train" of 566,747 captions includes it.
KARPATHY = {"train": "train", "restval": "train", "val": "validation", "test": "test"}
FOLDERS = ("train2014", "val2014")
OFFICIAL = {"train": "train2017", "validation": "val2017"}


def rows(files: Files) -> Iterator[Row | Drop]:
    """An annotation a caption; outer blanks go, line breaks and runs of blanks become one blank."""
    return _karpathy(files) if files.form == "karpathy" else _official(files)


def _karpathy(files: Files) -> Iterator[Row | Drop]:
    for image in files.rows("annotations", "images", dataset="coco"):
        if karpathy_split(image, KARPATHY) != files.split:
            continue
        folder, image_id = image.get("filepath", str), image.get("cocoid", int)
        if folder not in FOLDERS:
            raise image.error(f"'filepath': expected {' or '.join(FOLDERS)}, found {quoted(folder)}")
        # The folder stands before the number, which alone may be the id of a sentence.
        yield from karpathy_rows(image, coco(folder, image_id), f"{folder}/{image_id}")


def karpathy_split(image: Table, splits: Mapping[str, str]) -> str:
    """The split of a photo of Karpathy's files; DataError for a name that is none of `splits`."""
    name = image.get("split", str)
    if name not in splits:
        problem = f"'split': expected {', '.join(splits)}, found {quoted(name)}"
        raise image.error(problem, "fetch the official file again")
    return splits[name]


def karpathy_rows(image: Table, media: MediaRef, drop_id: str) -> Iterator[Row | Drop]:
    """An annotation a sentence of a photo of Karpathy's files; a drop of the id `drop_id` for a photo without any."""
    image.get("sentences", list)
    sentences = image.tables("sentences")
    if not sentences:
        yield Drop(drop_id, "no sentence")
    for sentence in sentences:
        annotation = Annotation(id=str(sentence.get("sentid", int)), caption=clean(sentence.get("raw", str)))
        yield Row(media, annotation)


def _official(files: Files) -> Iterator[Row | Drop]:
    captions, images = files.lists("annotations", "annotations", "images")
    sizes = {image.get("id", int): stated_size(image) for image in images}
    for row in captions:
        image_id = row.get("image_id", int)
        media = coco(OFFICIAL[files.split], image_id, sizes.get(image_id))
        yield Row(media, Annotation(id=str(row.get("id", int)), caption=clean(row.get("caption", str))))
