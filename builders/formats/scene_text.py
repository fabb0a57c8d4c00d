"""What TextVQA and TextCaps share: one set of photos, one form of file, and the tokens that Rosetta read."""

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import MediaRef, clean, stated_size
from ib_data.errors import quoted
from ib_data.strict import Table

# The photos of train and validation lie in one archive, in a folder named for train.
_STORES = {"train": "textvqa_train_val", "validation": "textvqa_train_val", "test": "textvqa_test"}
_SET_NAMES = {"train": "train", "validation": "val", "test": "test"}


def rows_of(files: Files, dataset: str) -> list[Table]:
    """The rows under the key `data`; DataError where the file or a row names another dataset or split."""
    expected = _SET_NAMES[files.split]
    rows = files.rows("annotations", "data", dataset_name=dataset, dataset_type=expected)
    for row in rows:
        if (found := row.get("set_name", str, expected)) != expected:
            raise row.error(f"set_name: expected {expected!r}, found {found!r}", "is this the file of another split?")
    return rows


def photo(files: Files, row: Table) -> MediaRef:
    """The photo of a row."""
    size_px = stated_size(row, "image_width", "image_height")
    return MediaRef(_STORES[files.split], row.get("image_id", str), size_px=size_px)


def read_tokens(files: Files, rows: list[Table]) -> dict[str, tuple[str, ...]]:
    """Rosetta's tokens by image id, in its order; empty where its file was left out.

    DataError for a photo that stands there twice, and where none is a photo of `rows`, those of the split.
    """
    if "ocr" not in files.located:
        return {}
    tokens: dict[str, tuple[str, ...]] = {}
    for read in files.rows("ocr", "data"):
        image_id = read.get("image_id", str)
        if image_id in tokens:
            raise read.error(f"image_id {quoted(image_id)} stands twice", "fetch the official file again")
        read.get("ocr_tokens", list)
        tokens[image_id] = tuple(filter(None, map(clean, read.texts("ocr_tokens"))))
    if rows and not any(row.get("image_id", str) in tokens for row in rows):
        raise files.wrong_file("ocr", f"no photo of {files.name('annotations')} stands here")
    return tokens
