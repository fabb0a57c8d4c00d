"""Visual Spatial Reasoning, zero-shot split: true and false statements about COCO 2017 images."""

import re
from collections.abc import Iterator

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, coco, extra
from ib_data.errors import quoted
from ib_data.sample import Annotation
from ib_data.strict import Table

_LINK = re.compile(r"[^?#]*/(train2017|val2017)/([0-9]{1,12})(?:\.jpg)?(?:[?#].*)?", re.DOTALL)
LABELS = {0: "false", 1: "true"}
_KEPT = ("relation", "subj", "obj", "vote_true_validator_id", "vote_false_validator_id")


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per statement. The rows have no ids; the id is the line number, which the authors keep fixed."""
    for number, row in enumerate(files.lines("annotations")):
        yield Row(_media(row), _annotation(row, f"{files.split}-{number:05d}"))


def _media(row: Table) -> MediaRef:
    """The image. Its folder is only in `image_link`; `image` is the bare file name."""
    link = row.get("image_link", str)
    match = _LINK.fullmatch(link)
    if match is None:
        raise row.error(f"'image_link': expected .../train2017|val2017/ID.jpg, found {quoted(link)}")
    return coco(match[1], int(match[2]))


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
