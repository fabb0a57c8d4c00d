"""Built data as a `datasets` dataset: map-style over a split, iterable over a mixture."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ib_data import __version__
from ib_data.cards import Card, media_stores
from ib_data.console import note
from ib_data.errors import DataError, MissingExtraError
from ib_data.home import HomeLike
from ib_data.mixtures.bridges.members import Asked
from ib_data.mixtures.stream.example import Example
from ib_data.mixtures.stream.stream import open_stream
from ib_data.sample import Annotation
from ib_data.stored.index import annotation_of
from ib_data.stream_options import StreamOptions

if TYPE_CHECKING:
    import datasets

MAP_LACKS = (
    "to_datasets: a datasets.Dataset shuffles and resumes by its own rules; unlike open_stream it mixes nothing, and "
    "keeps one rendering of each annotation (another `epoch` gives another)"
)
STREAM_LACKS = (
    "to_datasets: with one worker an IterableDataset has the order of open_stream; with several, unlike StreamLoader, "
    "their rows interleave, and a state fits the same number of workers only"
)
_COLUMNS = ("key", "shard", "media_offset", "media_bytes", *Annotation.__dataclass_fields__)
_Row = dict[str, Any]


def to_datasets(
    home: HomeLike | None,
    name: str | os.PathLike[str],
    split: str | None = None,
    *,
    seed: int = 0,
    epoch: int = 0,
    count: int | None = None,
    templates: str | os.PathLike[str] | None = None,
    available: bool = False,
    shards: str | None = None,
    cache_bytes: int | None = None,
) -> "datasets.Dataset | datasets.IterableDataset":
    """A `datasets.Dataset` over a split of a dataset, or an `IterableDataset` over a mixture; notes what they lack.

    Columns: `image` (the Image feature), `instruction`, `target` (None if the split hides its answers), `dataset`,
    `split`, `key`, `annotation_id`, `template`, `position`.

    A dataset (`split` defaults to the one the paper used) gives a row per annotation, in the order of the index,
    rendered at position `epoch * annotations + row`. Texts are written once into Arrow files in the home's cache.
    Images stay in their shards and are read on access: otherwise each annotation would hold a copy of its image.
    `push_to_hub` uploads their bytes; `save_to_disk` writes only their addresses.

    A mixture gives the examples of `open_stream(home, name, seed)`, endless or the first `count` positions. If it
    renders chats, the column `earlier` has the turns before. DataLoader workers and ranks
    (`datasets.distributed.split_dataset_by_node`) divide the examples without repeats.

    `shards` is the URL of shards in an object store; up to `cache_bytes` of them are kept. `available` leaves out
    members that are not built. Raises MissingExtraError without datasets, DataError for clips, and IbDataError for
    anything that is not built.
    """
    try:
        import datasets  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("to_datasets needs datasets: pip install 'ib-data[datasets]'") from error
    asked = Asked.of(
        home,
        name,
        split,
        seed=seed,
        epoch=epoch,
        templates=templates,
        available=available,
        shards=shards,
        cache_bytes=cache_bytes,
    )
    found = _of_split(asked) if asked.is_dataset else _of_mixture(asked, count)
    note(MAP_LACKS if asked.is_dataset else STREAM_LACKS)
    return found


def _of_split(asked: Asked) -> "datasets.Dataset":
    import datasets

    member = asked.dataset()
    _require_images(member.card)
    split, digest = member.split, member.renderer.digest(member.card)
    folder = f"{asked.shards.rstrip('/')}/{split.dataset}/{split.split}" if asked.shards else str(split.folder)
    of = {"data": split.fingerprint, "templates": digest, "version": __version__}
    return datasets.Dataset.from_generator(
        _rows,
        gen_kwargs={"asked": asked, "folder": folder, "of": of},
        features=_features(is_chat=False),
        cache_dir=str(asked.home.cache / "datasets"),
        split=datasets.NamedSplit(split.split),
    )


def _of_mixture(asked: Asked, count: int | None) -> "datasets.IterableDataset":
    import datasets

    from ib_data.mixtures.bridges.sliced_stream import NUM_SLICES, SlicedStream

    options = StreamOptions(templates=asked.templates)
    stream = open_stream(
        asked.home,
        asked.name,
        asked.seed,
        asked.available,
        options=options,
        shards=asked.shards,
        cache_bytes=asked.cache_bytes,
    )
    for part in stream.parts.values():
        _require_images(part.card)
    is_chat = stream.mixture.render.turns == "chat"
    source = SlicedStream(stream, _StreamRow(is_chat), count, list(range(NUM_SLICES)))
    return datasets.IterableDataset(source, info=datasets.DatasetInfo(features=_features(is_chat=is_chat)))


def _features(*, is_chat: bool) -> "datasets.Features":
    from datasets import Features, Image, Value

    texts = ("instruction", "target", "dataset", "split", "key", "annotation_id", "template")
    columns: dict[str, Any] = {
        "image": Image(),
        **dict.fromkeys(texts, Value("string")),
        "position": Value("int64"),
    }
    if is_chat:
        columns["earlier"] = [{"question": Value("string"), "answer": Value("string")}]
    return Features(columns)


def _rows(asked: Asked, folder: str, of: dict[str, Any]) -> Iterator[_Row]:
    """The rows of a split. `datasets` caches by these arguments; `of` is only part of that cache key."""
    from ib_data.mixtures.bridges.image_places import place_of

    member = asked.dataset()
    row = asked.epoch * len(member.split)
    for batch in member.split.batches(_COLUMNS):
        for values in batch.to_pylist():
            place = values["media_offset"], values["media_bytes"]
            image = None if None in place else place_of(f"{folder}/{values['shard']}", *place)
            annotation = annotation_of(values)
            rendered = member.rendered(annotation, row)
            yield {
                "image": image,
                "instruction": rendered.instruction,
                "target": rendered.target,
                "dataset": member.name,
                "split": member.split.split,
                "key": values["key"],
                "annotation_id": annotation.id,
                "template": rendered.template,
                "position": row,
            }
            row += 1


@dataclass(frozen=True, slots=True)
class _StreamRow:
    """An example as a row; with `is_chat`, with the turns before it."""

    is_chat: bool

    def __call__(self, example: Example) -> _Row:
        rendered = example.rendered
        found: _Row = {
            "image": None if example.media is None else {"bytes": example.media, "path": None},
            "instruction": rendered.instruction,
            "target": rendered.target,
            "dataset": example.dataset,
            "split": example.split,
            "key": example.key,
            "annotation_id": example.annotation_id,
            "template": rendered.template,
            "position": example.position,
        }
        if self.is_chat:
            found["earlier"] = [{"question": turn.question, "answer": turn.answer} for turn in rendered.earlier]
        return found


def _require_images(card: Card) -> None:
    if media_stores()[card.media[0]].kind != "image":
        remedy = "read them with open_stream, or with to_webdataset"
        raise DataError(card.name, "holds clips, and to_datasets gives images only", remedy=remedy)
