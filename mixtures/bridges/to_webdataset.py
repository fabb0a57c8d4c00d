"""Built data as a `webdataset` pipeline, with instruction and target for each image."""

import io
import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, count
from typing import TYPE_CHECKING, Any, BinaryIO

from ib_data.console import note
from ib_data.errors import MissingExtraError
from ib_data.home import HomeLike
from ib_data.keyed import keyed_below, keyed_unit
from ib_data.mixtures.bridges.members import Asked, BridgeMember
from ib_data.sample import Annotation, Sample
from ib_data.stored.index import Extent
from ib_data.stored.store import Place
from ib_data.templates.render_errors import RenderError

if TYPE_CHECKING:
    import webdataset

LACKS = (
    "to_webdataset: webdataset splits whole shards among ranks and workers, so unlike open_stream it keeps no exact "
    "shares, gives no fixed order over any number of workers, and cannot resume"
)
_Handler = Callable[[Exception], bool]
_Raw = dict[str, Any]


def to_webdataset(
    home: HomeLike | None,
    name: str | os.PathLike[str],
    split: str | None = None,
    *,
    seed: int = 0,
    epoch: int = 0,
    decode: str | None = "pil",
    handler: _Handler | None = None,
    templates: str | os.PathLike[str] | None = None,
    available: bool = False,
    shards: str | None = None,
    cache_bytes: int | None = None,
) -> "webdataset.FluidWrapper":
    """A `webdataset` pipeline over a split of a dataset or over a mixture, without exact shares, order and resume.

    Append stages as usual (`.shuffle(1000).to_tuple("image", "instruction", "target").batched(8)`), and load it with
    `webdataset.WebLoader(pipeline, batch_size=None, num_workers=4)`. A sample has `image` (decoded by webdataset as
    `decode` says, stored bytes with None; a clip is `video`, stored bytes), `instruction`, `target` (None if the split
    hides its answers), `dataset`, `split`, `key`, `annotation_id`, `template`, `position`, and, if the mixture renders
    chats, `earlier`, the turns before.

    A dataset (`split` defaults to the one the paper used) gives one pass: each annotation once over all ranks and
    workers, rendered at position `epoch * annotations + row`; another `epoch` gives other templates. A mixture is
    endless: each worker draws members by their weights at position 0 of the spec and shards with replacement, and
    reads each shard from its start, so add a shuffle. Both depend only on `seed` and the number of ranks and workers.

    `shards` is the URL of shards in an object store; up to `cache_bytes` of them are kept. `available` leaves out
    members that are not built. `handler` is webdataset's, for unusable samples. Raises MissingExtraError without
    webdataset, and IbDataError for anything that is not built.
    """
    try:
        import webdataset
    except ImportError as error:
        raise MissingExtraError("to_webdataset needs webdataset: pip install 'ib-data[webdataset]'") from error
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
    chosen = handler or webdataset.reraise_exception
    if asked.is_dataset:
        member = asked.dataset()
        source: Any = [{"url": url} for url in _addresses(member)]
        stages = [webdataset.split_by_node, webdataset.split_by_worker, *_stages(member, decode, chosen)]
        pipeline = webdataset.FluidWrapper(source).compose(*stages, _Pass(member, asked.epoch, chosen))
    else:
        members = asked.members()
        pipeline = webdataset.FluidWrapper(_Mixed(tuple(members), asked.seed, decode, chosen))
    note(LACKS)
    return pipeline


def _stages(member: BridgeMember, decode: str | None, handler: _Handler) -> list[Any]:
    """The stages from shard addresses to samples with `__sample__`, `__row__` and their image or clip."""
    import webdataset
    from webdataset.tariterators import group_by_keys, tar_file_expander

    stages = [
        _Opened(member),
        partial(tar_file_expander, handler=handler),
        partial(group_by_keys, handler=handler),
        _Parsed(member),
    ]
    return stages if decode is None else [*stages, webdataset.decode(decode, handler=handler)]


def _addresses(member: BridgeMember) -> list[str]:
    """The address of each shard, in webdataset's form."""
    split = member.split
    return [split.store.address(split.folder, shard.name) for shard in split.manifest.shards]


@dataclass(frozen=True, slots=True)
class _Opened:
    """Opens and verifies shards by address, from the home or through the cache of an object store."""

    member: BridgeMember

    def __call__(self, sources: Iterable[_Raw]) -> Iterator[_Raw]:
        numbers = {url: number for number, url in enumerate(_addresses(self.member))}
        for source in sources:
            with self._stream(numbers[source["url"]]) as stream:
                yield {**source, "stream": stream}

    def _stream(self, number: int) -> BinaryIO:
        split = self.member.split
        shard = split.manifest.shards[number]
        descriptor = split.store.open(split.folder, shard)
        if descriptor is not None:
            os.lseek(descriptor, 0, os.SEEK_SET)  # a cached one was written or verified through this descriptor
            return os.fdopen(descriptor, "rb")
        # The cache has no room for the whole shard: it is read as one range and held in memory while in use.
        whole = Extent(offset=0, num_bytes=shard.num_bytes, json_offset=0, json_bytes=0)
        return io.BytesIO(split.store.ranges([Place(split.folder, shard, whole)])[0])


@dataclass(frozen=True, slots=True)
class _Parsed:
    """Parses the JSON of samples, and counts the index row at which each begins."""

    member: BridgeMember

    def __call__(self, raws: Iterable[_Raw]) -> Iterator[_Raw]:
        shards = self.member.split.manifest.shards
        firsts = accumulate((shard.num_annotations for shard in shards), initial=0)
        rows = dict(zip(_addresses(self.member), firsts, strict=False))
        row, shard = 0, ""
        for raw in raws:
            if raw["__url__"] != shard:
                shard = raw["__url__"]
                row = rows[shard]
            sample = Sample.from_json(raw.pop("json"))
            yield {**raw, "__sample__": sample, "__row__": row}
            row += len(sample.annotations)


@dataclass(frozen=True, slots=True)
class _Pass:
    """Each annotation of the samples, rendered at its row of the index; `epoch` shifts the positions."""

    member: BridgeMember
    epoch: int
    handler: _Handler

    def __call__(self, raws: Iterable[_Raw]) -> Iterator[_Raw]:
        start = self.epoch * len(self.member.split)
        for raw in raws:
            for number, annotation in self.member.drawn(raw["__sample__"].annotations):
                try:
                    yield _example(self.member, raw, number, annotation, start + raw["__row__"] + number)
                except RenderError as error:
                    if not self.handler(error):
                        return


@dataclass(frozen=True, slots=True)
class _Mixed:
    """Endless: each step draws a member by weight and yields its next annotation."""

    members: tuple[BridgeMember, ...]
    seed: int
    decode: str | None
    handler: _Handler

    def __call__(self) -> Iterator[_Raw]:
        from webdataset.utils import pytorch_worker_info

        rank, world, worker, num_workers = pytorch_worker_info()
        slot, slots = rank * num_workers + worker, world * num_workers
        ends = list(accumulate(member.weight for member in self.members))
        examples = [self._annotations(member, slot) for member in self.members]
        for number in count():
            drawn = keyed_unit(self.seed, "bridges/member", slot, number)
            place = min(bisect_right(ends, drawn * ends[-1]), len(ends) - 1)
            raw, ordinal, annotation = next(examples[place])
            try:
                yield _example(self.members[place], raw, ordinal, annotation, number * slots + slot)
            except RenderError as error:
                if not self.handler(error):
                    return

    def _annotations(self, member: BridgeMember, slot: int) -> Iterator[tuple[_Raw, int, Annotation]]:
        import webdataset

        drawn = partial(_drawn_shards, _addresses(member), self.seed, member.name, slot)
        for raw in webdataset.DataPipeline(drawn, *_stages(member, self.decode, self.handler)):
            yield from ((raw, *found) for found in member.drawn(raw["__sample__"].annotations))


def _drawn_shards(urls: Sequence[str], seed: int, name: str, slot: int) -> Iterator[_Raw]:
    for number in count():
        yield {"url": urls[keyed_below(len(urls), seed, f"bridges/shard/{name}", slot, number)]}


def _example(member: BridgeMember, raw: _Raw, ordinal: int, annotation: Annotation, position: int) -> _Raw:
    """One annotation of a sample, rendered, with the sample's image or clip."""
    rendered, sample = member.rendered(annotation, position), raw["__sample__"]
    found = {"__key__": f"{sample.key}-{ordinal}", "__url__": raw["__url__"]}
    if (extension := next((name for name in raw if not name.startswith("__")), None)) is not None:
        found[sample.media.kind] = raw[extension]
    found |= {"instruction": rendered.instruction, "target": rendered.target}
    if member.renderer.options.turns == "chat":
        found["earlier"] = [{"question": turn.question, "answer": turn.answer} for turn in rendered.earlier]
    place = {"dataset": member.name, "split": member.split.split, "key": sample.key, "annotation_id": annotation.id}
    return {**found, **place, "template": rendered.template, "position": position}
