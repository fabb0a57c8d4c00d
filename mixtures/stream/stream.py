"""The stream of examples for a training run: (mixture, seed, position) decide each example.

World size, rank and workers only slice the order, resuming is a seek, and there is no state between positions.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from ib_data.given import integer, name_or_path, require_kind
from ib_data.home import Home, HomeLike
from ib_data.mixtures.order.block_shuffle import BlockShuffle
from ib_data.mixtures.order.schedule import BLOCK, MAX_POSITION, Draws, Schedule
from ib_data.mixtures.spec.mixture import Mixture
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.spec.weights import stage_quotas
from ib_data.mixtures.stream.example import Example, ExampleIds
from ib_data.mixtures.stream.example_reader import ExampleReader
from ib_data.mixtures.stream.part import Drawn, Part
from ib_data.mixtures.stream.parts import find_built, parts_of, report_sizes
from ib_data.mixtures.stream.quarantine import Quarantine
from ib_data.mixtures.stream.state import Description, fingerprint, position_of, state_of
from ib_data.stored.meter import Meter
from ib_data.stored.shard_reader import ShardReader
from ib_data.stored.store import Store, store_of
from ib_data.stream_options import StreamOptions
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.renderer import Renderer

# Positions whose order is computed at once.
_POSITIONS_AT_ONCE = 8 * BLOCK
# Positions whose samples are read at once, in their order on disk.
_READ_AT_ONCE = 64


class Stream:
    """An endless sequence of examples, made by `open_stream`. Positions run from 0 to 2**62.

    May be pickled, for spawned workers. `meter` counts what this process read.
    """

    def __init__(
        self, mixture: Mixture, parts: Mapping[str, Part], seed: int, options: StreamOptions, store: Store, home: Home
    ) -> None:
        self.mixture = mixture
        self.seed = seed
        self.options = options
        self._parts = dict(parts)
        self._reader = ExampleReader(
            seed, options, ShardReader(store), Quarantine(home.quarantine, options.max_bad_share)
        )
        sizes = {name: part.units.count for name, part in parts.items()}
        self.schedule = Schedule(
            stage_quotas(mixture), sizes, seed, locality=BlockShuffle() if options.local_order else None
        )

    def __repr__(self) -> str:
        return f"<Stream {self.mixture.name}: {', '.join(self._parts)}; seed {self.seed}>"

    @property
    def parts(self) -> Mapping[str, Part]:
        """The members that some stage draws from, by name."""
        return self._parts

    @property
    def meter(self) -> Meter:
        """Totals of what this process has read so far, and where the time went."""
        return self._reader.meter

    def at(self, position: int) -> Example:
        """The (first) example at a position. Raises DataError if its shard or index is damaged."""
        draw = self.schedule.at(position)
        return self._reader.read([self._parts[draw.member].drawn(position, draw.index, draw.epoch)])[0]

    def batch(self, start: int, count: int) -> list[Example]:
        """The examples of the positions start, start + 1, ... (`count` of them), read in the order of the shards.

        One per position, or up to `annotations_per_image`, which share `position` and image.
        """
        if start < 0 or count < 0:
            raise ValueError(f"no batch of a stream: start {start}, count {count}")
        return self._reader.read(self._drawn(self.schedule.batch(start, count)))

    def examples(
        self,
        start: int = 0,
        count: int | None = None,
        world: int = 1,
        rank: int = 0,
        share: int = 1,
        *,
        with_pixels: bool = True,
    ) -> Iterator[Example]:
        """The examples for process `rank` of `world` from `start` on: `count` positions, or endless.

        Processes take `share` positions in turn (their parts of a global batch of `world * share`). Together, all ranks
        give the same global order, each position once, for any world size.
        """
        for draws in self._slices(start, count, world, rank, share):
            for first in range(0, len(draws), _READ_AT_ONCE):
                drawn = self._drawn(draws.take(slice(first, first + _READ_AT_ONCE)))
                yield from self._reader.read(drawn, with_pixels=with_pixels)

    def ids(
        self, start: int = 0, count: int | None = None, world: int = 1, rank: int = 0, share: int = 1
    ) -> Iterator[ExampleIds]:
        """The ids of the examples that `examples` gives, from the index alone: reads no shard and renders nothing."""
        per_image = self.options.annotations_per_image
        for draws in self._slices(start, count, world, rank, share):
            for part, position, unit, epoch in self._units(draws):
                for number, row in enumerate(part.units.rows_of(unit, epoch)):
                    template = part.template_at(position * per_image + number, row)
                    yield ExampleIds(position, part.name, *part.rows.ids(row), template)

    @property
    def pass_size(self) -> int:
        """The number of annotations (or conversations) in a `read_pass`: everything built of all members."""
        return self._pass_ends[-1]

    def read_pass(self, start: int = 0, count: int | None = None) -> list[Example]:
        """Every annotation of every member once, for validation: numbers start, start + 1, ... of a fixed order.

        At most `count` of them, fewer at the end. `position` is the number in that order. A held-out dataset is
        rendered with its zero-shot prompt, any other with the template that the number draws; nothing is augmented.
        `rendered.target` is None if the split hides its answers. Unusable samples are left out and quarantined.
        """
        if start < 0 or (count is not None and count < 0):
            raise ValueError(f"no part of a pass: start {start}, count {count}")
        end = self.pass_size if count is None else min(start + count, self.pass_size)
        found: list[Example] = []
        for first in range(start, end, _READ_AT_ONCE):
            numbers = range(first, min(first + _READ_AT_ONCE, end))
            found += self._reader.read([self._drawn_in_pass(number) for number in numbers])
        return found

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex of all that decides the order and the texts, except the seed."""
        last = self._description.stages[-1].start
        return fingerprint(self._description.before(last + 1))

    def state(self, position: int) -> dict[str, Any]:
        """The state for resuming, as plain JSON. `position` is the next one that the consumer has not received."""
        return state_of(self._description, self.seed, position)

    def check_state(self, state: Mapping[str, Any]) -> int:
        """The position to resume at. Raises IbDataError, naming what changed, if the state is from another stream."""
        return position_of(state, self._description, self.seed)

    @cached_property
    def _description(self) -> Description:
        members = {
            name: {
                "split": part.split,
                "task": part.card.task,
                "annotations": part.rows.count,
                "index_sha256": part.rows.manifest.index_sha256,
                "shards_sha256": part.rows.manifest.shards_sha256(),
                "templates_sha256": part.renderer.digest(part.card),
            }
            for name, part in self._parts.items()
        }
        options = {
            "annotations_per_image": self.options.annotations_per_image,
            "locality": asdict(self.schedule.locality) if self.schedule.locality else None,
            "images": asdict(self.options.images) if self.options.images else None,
            **asdict(self.mixture.render),
        }
        return Description(members=members, stages=stage_quotas(self.mixture), options=options)

    def _slices(self, start: int, count: int | None, world: int, rank: int, share: int) -> Iterator[Draws]:
        if start < 0 or world < 1 or not 0 <= rank < world or share < 1 or (count is not None and count < 0):
            asked = f"start {start}, count {count}, world {world}, rank {rank}, share {share}"
            raise ValueError(f"no slice of a stream: {asked}")
        left = MAX_POSITION if count is None else count
        if share == 1 or world == 1:  # shares of one position are `world` apart, so many of them form one slice
            yield from self._strided(start + rank, left, world)
            return
        batch = world * share
        while left > 0:
            # Computes whole batches and takes this process's part: a slice per share would compute a block for each.
            num_batches = max(min(_POSITIONS_AT_ONCE // batch, -(-left // share)), 1)
            draws = self.schedule.slice(start, num_batches * batch)
            own = np.arange(num_batches * batch).reshape(num_batches, world, share)[:, rank].reshape(-1)[:left]
            yield draws.take(own)
            start += num_batches * batch
            left -= len(own)

    def _strided(self, position: int, left: int, step: int) -> Iterator[Draws]:
        at_once = max(_POSITIONS_AT_ONCE // step, _READ_AT_ONCE)
        while left > 0:
            size = min(left, at_once)
            yield self.schedule.slice(position, size, step)
            position += size * step
            left -= size

    def _drawn(self, draws: Draws) -> list[Drawn]:
        return [part.drawn(position, unit, epoch) for part, position, unit, epoch in self._units(draws)]

    def _units(self, draws: Draws) -> Iterator[tuple[Part, int, int, int]]:
        """Part, position, unit and epoch of each draw."""
        parts = [self._parts[name] for name in self.schedule.names]
        members = (parts[number] for number in draws.member.tolist())
        return zip(members, draws.position.tolist(), draws.index.tolist(), draws.epoch.tolist(), strict=True)

    @cached_property
    def _pass_parts(self) -> list[Part]:
        return [part.in_a_pass() for part in self._parts.values()]

    @cached_property
    def _pass_ends(self) -> list[int]:
        return list(accumulate(part.units.count for part in self._pass_parts))

    def _drawn_in_pass(self, number: int) -> Drawn:
        place = bisect_right(self._pass_ends, number)
        first = self._pass_ends[place - 1] if place else 0
        return self._pass_parts[place].drawn(number, number - first, 0)


def open_stream(
    home: HomeLike | None,
    mixture: Mixture | str | os.PathLike[str],
    seed: int = 0,
    available: bool = False,
    strict: bool = False,
    *,
    options: StreamOptions | None = None,
    shards: str | None = None,
    cache_bytes: int | None = None,
) -> Stream:
    """The stream of a mixture (or of the spec with that name) over the splits built in `home` or at the URL `shards`.

    Raises IbDataError, naming all of them, if members are not built; with `available` they are left out, the others
    share their weight, and a note says so. Weights always come from the pinned sizes; if built sizes differ, prints a
    note, or raises IbDataError with `strict`. The home's cache keeps at most `cache_bytes` of the shards at a URL.
    """
    if not isinstance(mixture, Mixture):
        mixture = load_mixture(name_or_path("mixture", mixture, "a mixture, its name or the path of a .toml file"))
    seed, chosen = integer("seed", seed), StreamOptions() if options is None else options
    require_kind("options", chosen, StreamOptions, "StreamOptions or None")
    home = Home.find(home)  # absolute: a script may change its working folder later
    store = store_of(home, shards, cache_bytes)
    spec, built = find_built(store, mixture, available=available)
    library = Library(Path(chosen.templates)) if chosen.templates else PACKAGED
    renderer = Renderer(library, seed, spec.render)
    parts = parts_of(built, renderer, chosen.annotations_per_image)
    report_sizes(spec, parts, strict=strict)
    return Stream(spec, parts, seed, chosen, store, home)
