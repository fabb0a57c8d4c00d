"""The stream of examples a training run receives: (mixture, seed, position) decide each one, wherever it is read.

World size, rank and workers only slice the order, resuming is a seek, and nothing is kept between positions.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ib_data.builders.reader import read_sample
from ib_data.cards import Card
from ib_data.console import note
from ib_data.errors import DataError, IbDataError
from ib_data.home import Home
from ib_data.mixtures.rows import Rows
from ib_data.mixtures.schedule import ALGORITHM, BLOCK, MAX_POSITION, Draw, Schedule
from ib_data.mixtures.sources import Source, refuse_unknown, sources
from ib_data.mixtures.spec import Mixture, load_mixture
from ib_data.mixtures.template_choice import TemplateChoice
from ib_data.mixtures.weights import quotas
from ib_data.sample import Annotation
from ib_data.strict import Table
from ib_data.templates.render import Rendered, render

# Positions whose order is computed ahead in one go: 0.8 microseconds each at 8 blocks, 4 at one block.
_POSITIONS_AT_ONCE = 8 * BLOCK


@dataclass(frozen=True, slots=True)
class Example:
    """One position of a stream. `dataset` is the member's name, which may be a view; `epoch` counts from 0.

    `media` are the stored bytes of the image or clip, not decoded; None in a build without media.
    """

    position: int
    dataset: str
    split: str
    key: str
    annotation_id: str
    epoch: int
    annotation: Annotation
    rendered: Rendered
    media: bytes | None
    media_kind: str


@dataclass(frozen=True, slots=True)
class ExampleIds:
    """What a position is, as far as the index tells; `template` is None where the annotation cannot be rendered."""

    position: int
    dataset: str
    key: str
    annotation_id: str
    template: str | None


@dataclass(frozen=True, slots=True)
class _Part:
    card: Card
    split: str
    rows: Rows
    choice: TemplateChoice


class Stream:
    """An endless order of examples; made by `open_stream`. Positions run from 0 to 2**62."""

    def __init__(self, mixture: Mixture, built: Mapping[str, Source], seed: int) -> None:
        self.mixture = mixture
        self.seed = seed
        self._quotas = quotas(mixture)
        self._parts = _parts(built, seed)
        self.schedule = Schedule(self._quotas, {name: part.rows.count for name, part in self._parts.items()}, seed)

    def at(self, position: int) -> Example:
        """The example at a position; DataError where its shard or index is damaged or cannot be rendered."""
        return self._example(position, self.schedule.at(position))

    def examples(self, start: int = 0, count: int | None = None, world: int = 1, rank: int = 0) -> Iterator[Example]:
        """The examples at start + rank, start + rank + world, ...: `count` of them, or without end.

        Over all ranks of any world size the same global order from `start` on is given, each position once.
        """
        return (self._example(position, draw) for position, draw in self._draws(start, count, world, rank))

    def ids(self, start: int = 0, count: int | None = None, world: int = 1, rank: int = 0) -> Iterator[ExampleIds]:
        """The ids of what `examples` would give, from the index alone: no shard is read, nothing is rendered."""
        for position, draw in self._draws(start, count, world, rank):
            part = self._parts[draw.member]
            template = part.choice.at(position, part.rows.fields(draw.index))
            yield ExampleIds(position, draw.member, *part.rows.ids(draw.index), template)

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex of all that decides the order and the content, but for the seed."""
        return sha256(json.dumps([ALGORITHM, BLOCK, self._members()]).encode()).hexdigest()

    def state(self, position: int) -> dict[str, Any]:
        """What resuming needs, as plain JSON. `position` is the next one that the consumer has not received."""
        head = {"algorithm": ALGORITHM, "seed": self.seed, "position": position, "fingerprint": self.fingerprint}
        return {**head, "members": self._members()}

    def check_state(self, state: Mapping[str, Any]) -> int:
        """The position to go on from; IbDataError naming what changed where the state is of another stream."""
        table = Table.of(state, "stream", "state").only(("algorithm", "seed", "position", "fingerprint", "members"))
        position = table.get("position", int)
        if not 0 <= position <= MAX_POSITION:
            raise table.error(f"position {position} lies outside 0 to 2**62")
        changes = [
            f"{name} was {table.get(name, int)}, is {now}"
            for name, now in (("algorithm", ALGORITHM), ("seed", self.seed))
            if table.get(name, int) != now
        ]
        if table.get("fingerprint", str) != self.fingerprint:
            changes += _member_changes(table.get("members", list), self._members())
            changes = changes or ["the fingerprint"]
        if changes:
            remedy = "go on with the mixture, seed and shards it was saved with, or start a new run"
            raise IbDataError(f"this state is of another stream: {'; '.join(changes)}; {remedy}")
        return position

    def _members(self) -> list[dict[str, str | int]]:
        return [
            {
                "dataset": name,
                "split": part.split,
                "quota": self._quotas[name],
                "annotations": part.rows.count,
                "index_sha256": part.rows.manifest.index_sha256,
            }
            for name, part in self._parts.items()
        ]

    def _draws(self, start: int, count: int | None, world: int, rank: int) -> Iterator[tuple[int, Draw]]:
        if start < 0 or world < 1 or not 0 <= rank < world or (count is not None and count < 0):
            raise ValueError(f"no slice of a stream: start {start}, count {count}, world {world}, rank {rank}")
        names = self.schedule.names
        position, left = start + rank, count
        at_once = min(_POSITIONS_AT_ONCE, max(_POSITIONS_AT_ONCE // world, 64))
        while left is None or left > 0:
            size = at_once if left is None else min(left, at_once)
            draws = self.schedule.slice(position, size, world)
            columns = (draws.position, draws.member, draws.rank, draws.epoch, draws.index)
            for place, member, of_member, epoch, index in zip(*(c.tolist() for c in columns), strict=True):
                yield place, Draw(names[member], of_member, epoch, index)
            position += size * world
            left = None if left is None else left - size

    def _example(self, position: int, draw: Draw) -> Example:
        part = self._parts[draw.member]
        shard, extent, ordinal = part.rows.place(draw.index)
        sample, media = read_sample(shard, extent)
        key, annotation_id = part.rows.ids(draw.index)
        annotations = sample.annotations
        if sample.key != key or ordinal >= len(annotations) or annotations[ordinal].id != annotation_id:
            problem = f"expected sample {key!r} with annotation {annotation_id!r}, found sample {sample.key!r}"
            remedy = f"the index is of another build: build {part.card.stored_as} again"
            raise DataError(part.card.stored_as, problem, file=str(shard), row=f"byte {extent.offset}", remedy=remedy)
        rendered = render(part.card, annotations[ordinal], seed=self.seed, position=position)
        return Example(
            position,
            draw.member,
            part.split,
            key,
            annotation_id,
            draw.epoch,
            annotations[ordinal],
            rendered,
            media,
            sample.media.kind,
        )


def open_stream(
    home: Home, mixture: Mixture | str, seed: int = 0, available: bool = False, strict: bool = False
) -> Stream:
    """The stream of a mixture (or of the spec of that name) over what is built in `home`.

    Members that are not built are an IbDataError that names all of them; with `available` they are left out, the
    weights are shared among the others, and a note says so. Weights come from the pinned sizes either way; where the
    counts differ from what is built a note says so, with `strict` an IbDataError.
    """
    spec = load_mixture(mixture) if isinstance(mixture, str) else mixture
    refuse_unknown(spec)
    # A member of weight 0 is never drawn, so nobody needs to build it.
    spec = spec.only(name for name, quota in quotas(spec).items() if quota)
    found = sources(home, spec)
    missing = [name for name, source in found.items() if not source.num_built]
    if missing:
        _report_missing(spec, missing, available)
        spec = spec.only(set(spec.datasets) - set(missing))
    built = {name: source for name, source in found.items() if name not in missing}
    differing = [
        f"{name} {source.member.size:,} pinned, {source.num_built:,} built"
        for name, source in built.items()
        if source.num_built != source.member.size
    ]
    if differing:
        text = (
            f"mixture {spec.name}: weights keep the pinned sizes, epochs go over what is built: {'; '.join(differing)}"
        )
        if strict:
            raise IbDataError(f"{text}; build the rest, or leave out --strict")
        note(text)
    return Stream(spec, built, seed)


def _report_missing(spec: Mixture, missing: list[str], available: bool) -> None:
    names = ", ".join(missing)
    if len(missing) == len(spec.members):
        raise IbDataError(f"mixture {spec.name}: none of its members is built ({names}); run `ib-data build` for them")
    if not available:
        without = "--available, or available=true for `train`"
        remedy = f"run `ib-data build {missing[0]}` and so on, or go without them: {without}"
        raise IbDataError(f"mixture {spec.name}: not built: {names}; {remedy}")
    note(f"mixture {spec.name}: left out because not built: {names}; their weight goes to the other members")


def _parts(built: Mapping[str, Source], seed: int) -> dict[str, _Part]:
    """The members in order; two members over the same shards (a dataset and its view) share one index."""
    rows: dict[Any, Rows] = {}
    parts = {}
    for name, source in built.items():
        assert source.card is not None
        assert source.folder is not None
        assert source.manifest is not None
        shared = rows.setdefault(source.folder, Rows(source.folder, source.manifest))
        parts[name] = _Part(source.card, source.member.split, shared, TemplateChoice(source.card, seed))
    return parts


def _member_changes(before: list[Any], now: list[dict[str, str | int]]) -> list[str]:
    """What differs between the members of a state and those of the stream, a phrase for each difference."""
    old = {str(row.get("dataset")): row for row in before if isinstance(row, dict)}
    new = {str(row["dataset"]): row for row in now}
    changes = [f"member {name} is gone" for name in old if name not in new]
    changes += [f"member {name} is new" for name in new if name not in old]
    for name in new.keys() & old.keys():
        pairs = ((key, old[name].get(key), value) for key, value in new[name].items())
        changes += [f"{name}: {key} was {was}, is {value}" for key, was, value in pairs if was != value]
    if not changes and list(old) != list(new):
        changes.append("the order of the members")
    return changes
