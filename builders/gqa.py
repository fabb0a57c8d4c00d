"""GQA v1.2, balanced: questions with one answer each on images of Visual Genome; ids of both are texts."""

from collections.abc import Iterator

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, clean, count_answers, extra
from ib_data.sample import Annotation
from ib_data.strict import Table

_TYPES = ("structural", "semantic", "detailed")
_GROUPS = ("global", "local")


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per question; a question under two ids is two annotations."""
    for question_id, row in files.keyed("annotations"):
        image_id = row.get("imageId", str)
        if not image_id.isalnum():
            raise row.error(f"'imageId': expected letters and digits, found {image_id!r}")
        yield Row(MediaRef("gqa_images", image_id), _annotation(question_id, row))


def _annotation(question_id: str, row: Table) -> Annotation:
    return Annotation(
        id=question_id,
        question=clean(row.get("question", str)),
        answers=count_answers([row.get("answer", str)]),
        extra=extra(
            isBalanced=row.get("isBalanced", bool, None),
            fullAnswer=clean(row.get("fullAnswer", str, "")),
            types=_named(row, "types", _TYPES),
            groups=_named(row, "groups", _GROUPS),
            semanticStr=row.get("semanticStr", str, None),
            entailed=list(row.texts("entailed")),
            equivalent=list(row.texts("equivalent")),
        ),
    )


def _named(row: Table, key: str, names: tuple[str, ...]) -> dict[str, str]:
    """The texts in the table at `key`, by name; null counts as absent."""
    table = row.table(key)
    return extra(**{name: table.get(name, str) for name in names if table.values.get(name) is not None})
