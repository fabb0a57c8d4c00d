"""Flickr30k in Karpathy's split: five captions of each image; the image is known by its file name."""

from collections.abc import Iterator

from ib_data.builders.formats.karpathy import karpathy_rows, karpathy_split
from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row

SPLITS = {"train": "train", "val": "validation", "test": "test"}


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per caption of the split."""
    for image in files.rows("annotations", "images", dataset="flickr30k"):
        if karpathy_split(image, SPLITS) != files.split:
            continue
        stem, dot, ending = image.get("filename", str).rpartition(".")
        if not stem or ending != "jpg":
            raise image.error(f"'filename': expected NAME.jpg, found {stem + dot + ending!r}")
        # With the extension, since the bare name may be the id of a sentence.
        yield from karpathy_rows(image, MediaRef("flickr30k_images", stem), f"{stem}.jpg")
