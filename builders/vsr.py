"""Visual Spatial Reasoning, zero-shot split: true and false statements about COCO 2017 images."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from ib_data.builders.files import Files
from ib_data.builders.rows import Drop, MediaRef, Row, coco, extra
from ib_data.sample import Annotation
from ib_data.strict import Table

LABELS = {0: "false", 1: "true"}
_KEPT = ("relation", "subj", "obj", "vote_true_validator_id", "vote_false_validator_id")


def rows(files: Files) -> Iterator[Row | Drop]:
    """An annotation a statement. The rows have no id: it is the split's line order, which the authors fixed."""
    for number, row in enumerate(files.lines("annotations")):
        yield Row(_media(row), _annotation(row, f"{files.split}-{number:05d}"))


def _media(row: Table) -> MediaRef:
    """The image, whose folder stands only in `image_link` (`image` is the bare file name)."""
    parts = urlsplit(row.get("image_link", str)).path.split("/")
    stem = parts[-1].removesuffix(".jpg")
    if len(parts) < 2 or parts[-2] not in ("train2017", "val2017") or not stem.isdecimal():
        raise row.error(f"'image_link': expected .../train2017|val2017/ID.jpg, found {row.values['image_link']!r}")
    return coco(parts[-2], int(stem))


def _annotation(row: Table, row_id: str) -> Annotation:
    label = row.get("label", int)
    if label not in LABELS:
        raise row.error(f"'label': expected 0 or 1, found {label}")
    kept = {key: row.get(key, str, None) for key in _KEPT}
    return Annotation(
        id=row_id,
        statement=row.get("caption", str).strip(),
        label=LABELS[label],
        extra=extra(**kept, annotator_id=row.get("annotator_id", int, None)),
    )
