"""Karpathy's split files: the captions of an image as its sentences, with the split that it is in."""

from collections.abc import Iterator, Mapping

from ib_data.builders.source.row import Drop, MediaRef, Row, clean
from ib_data.errors import quoted
from ib_data.sample import Annotation
from ib_data.strict import Table


def karpathy_split(image: Table, splits: Mapping[str, str]) -> str:
    """The split of an image of Karpathy's files; DataError for a name that is none of `splits`."""
    name = image.get("split", str)
    if name not in splits:
        problem = f"'split': expected {', '.join(splits)}, found {quoted(name)}"
        raise image.error(problem, "fetch the official file again")
    return splits[name]


def karpathy_rows(image: Table, media: MediaRef, drop_id: str) -> Iterator[Row | Drop]:
    """An annotation a sentence of an image of Karpathy's files; a drop of the id `drop_id` for an image without any."""
    image.get("sentences", list)
    sentences = image.tables("sentences")
    if not sentences:
        yield Drop(drop_id, "no sentence")
    for sentence in sentences:
        annotation = Annotation(id=str(sentence.get("sentid", int)), caption=clean(sentence.get("raw", str)))
        yield Row(media, annotation)
