"""Karpathy's split files: each image with its captions (sentences) and its split."""

from collections.abc import Iterator, Mapping

from ib_data.builders.source.row import Drop, MediaRef, Row, clean
from ib_data.errors import quoted
from ib_data.sample import Annotation
from ib_data.strict import Table


def karpathy_split(image: Table, splits: Mapping[str, str]) -> str:
    """The split of an image in Karpathy's files; DataError for a name that is not in `splits`."""
    name = image.get("split", str)
    if name not in splits:
        problem = f"'split': expected {', '.join(splits)}, found {quoted(name)}"
        raise image.error(problem, "fetch the official file again")
    return splits[name]


def karpathy_rows(image: Table, media: MediaRef, drop_id: str) -> Iterator[Row | Drop]:
    """One annotation per sentence of an image in Karpathy's files; a drop `drop_id` for an image without sentences."""
    image.get("sentences", list)
    sentences = image.tables("sentences")
    if not sentences:
        yield Drop(drop_id, "no sentence")
    for sentence in sentences:
        annotation = Annotation(id=str(sentence.get("sentid", int)), caption=clean(sentence.get("raw", str)))
        yield Row(media, annotation)
