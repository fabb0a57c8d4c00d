"""Flickr30k in Karpathy's split: five captions of each photo; the photo is known by its file name."""

from collections.abc import Iterator

from ib_data.builders.files import Files
from ib_data.builders.rows import Drop, MediaRef, Row, clean
from ib_data.sample import Annotation

SPLITS = {"train": "train", "validation": "val", "test": "test"}


def rows(files: Files) -> Iterator[Row | Drop]:
    """An annotation a caption of the split."""
    for image in files.rows("annotations", "images", dataset="flickr30k"):
        if image.get("split", str) != SPLITS[files.split]:
            continue
        stem, dot, ending = image.get("filename", str).rpartition(".")
        if not stem or ending != "jpg":
            raise image.error(f"'filename': expected NAME.jpg, found {stem + dot + ending!r}")
        for sentence in image.tables("sentences"):
            annotation = Annotation(id=str(sentence.get("sentid", int)), caption=clean(sentence.get("raw", str)))
            yield Row(MediaRef("flickr30k_images", stem), annotation)
