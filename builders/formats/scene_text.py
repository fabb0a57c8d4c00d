"""Shared by TextVQA and TextCaps: the images, the file format, and the tokens that Rosetta read."""

from ib_data.builders.source.files import Files
from ib_data.builders.source.lookups import by_key, require_common
from ib_data.builders.source.row import MediaRef, clean, stated_size
from ib_data.cards import load_card
from ib_data.errors import quoted
from ib_data.strict import Table

# The images of train and validation are in one archive, in a folder named after train.
_STORES = {"train": "textvqa_train_val", "validation": "textvqa_train_val", "test": "textvqa_test"}


def rows_of(files: Files, dataset: str) -> list[Table]:
    """The rows under the key `data`; DataError if the file or a row names another dataset or split."""
    expected = load_card(files.dataset).splits[files.split].source_name
    rows = files.rows("annotations", "data", dataset_name=dataset, dataset_type=expected)
    for row in rows:
        if (found := row.get("set_name", str, expected)) != expected:
            raise row.error(f"set_name: expected {expected!r}, found {found!r}", "is this the file of another split?")
    return rows


def image_of(files: Files, row: Table) -> MediaRef:
    """The image of a row."""
    size_px = stated_size(row, "image_width", "image_height")
    return MediaRef(_STORES[files.split], row.get("image_id", str), size_px=size_px)


def read_tokens(files: Files, rows: list[Table]) -> dict[str, tuple[str, ...]]:
    """Rosetta's tokens by image id, in its order; empty without the file of tokens.

    Raises DataError if an image occurs twice, or if no image is one of `rows`.
    """
    if "ocr" not in files.located:
        return {}
    found = by_key(files.rows("ocr", "data"), _image_id, lambda image_id: f"image_id {quoted(image_id)}")
    for read in found.values():
        read.get("ocr_tokens", list)
    tokens = {key: tuple(filter(None, map(clean, read.texts("ocr_tokens")))) for key, read in found.items()}
    problem = f"no image of {files.name('annotations')} is here"
    require_common(files, "ocr", tokens, list(map(_image_id, rows)), problem)
    return tokens


def _image_id(row: Table) -> str:
    return row.get("image_id", str)
