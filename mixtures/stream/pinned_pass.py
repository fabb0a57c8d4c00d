"""A pinned part of the validation split of each member of a mixture, to validate a training run on."""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

from ib_data.cards import load_card
from ib_data.home import Home
from ib_data.keyed import keyed_bits
from ib_data.mixtures.order.permutation import chosen_numbers
from ib_data.mixtures.spec.built_members import sources
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.stream.example import Example
from ib_data.mixtures.stream.example_reader import ExampleReader
from ib_data.mixtures.stream.part import Part
from ib_data.mixtures.stream.parts import parts_of
from ib_data.mixtures.stream.quarantine import Quarantine
from ib_data.stored.meter import Meter
from ib_data.stored.shard_reader import ShardReader
from ib_data.stored.store import Store
from ib_data.stream_options import ImageOptions, StreamOptions
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.renderer import Renderer

VALIDATION = "validation"
# Not a seed of the run: validation losses of runs with different seeds are over the same examples.
_SEED = 0


@dataclass(frozen=True, slots=True)
class Pinned:
    """The chosen sampling units of a member's validation split, in the order of the index."""

    part: Part
    units: tuple[int, ...]


class PinnedPass:
    """One pass over pinned annotations (or conversations) of several validation splits, numbered from 0.

    An annotation is always rendered by the same template, exactly resized and never augmented. `names` are the members,
    and `ends[i]` is the number after the last one of member i. May be pickled, for spawned workers.
    """

    def __init__(self, pinned: Sequence[Pinned], options: StreamOptions, store: Store, home: Home) -> None:
        self.pinned = tuple(pinned)
        self.options = options
        self.names = tuple(chosen.part.name for chosen in pinned)
        self.ends = tuple(accumulate(len(chosen.units) for chosen in pinned))
        self._reader = ExampleReader(
            _SEED, options, ShardReader(store), Quarantine(home.quarantine, options.max_bad_share)
        )

    @property
    def meter(self) -> Meter:
        """Totals of what this process has read so far, and where the time went."""
        return self._reader.meter

    @property
    def pass_size(self) -> int:
        """The number of annotations (or conversations) of all members."""
        return self.ends[-1]

    def read_pass(self, start: int = 0, count: int | None = None) -> list[Example]:
        """The examples with the numbers start, start + 1, ... (at most `count` of them), fewer at the end.

        `position` is the number. Unusable samples are left out and quarantined.
        """
        end = self.pass_size if count is None else min(start + count, self.pass_size)
        found: list[Example] = []
        while start < end:
            member = bisect_right(self.ends, start)
            chosen, first = self.pinned[member], self.ends[member] - len(self.pinned[member].units)
            stop = min(end, self.ends[member])
            # Rendered by the number of the unit in its split: neither other members nor the limit change a text.
            numbers = dict(zip(chosen.units[start - first : stop - first], range(start, stop), strict=True))
            examples = self._reader.read([chosen.part.drawn(unit, unit, 0) for unit in numbers])
            found += [replace(example, position=numbers[example.position]) for example in examples]
            start = stop
        return found

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 in hex of all that decides the examples: two losses with the same one may be compared."""
        members = {
            chosen.part.name: {
                "task": chosen.part.card.task,
                "index_sha256": chosen.part.rows.manifest.index_sha256,
                "shards_sha256": chosen.part.rows.manifest.shards_sha256(),
                "templates_sha256": chosen.part.renderer.digest(chosen.part.card),
                "render": asdict(chosen.part.renderer.options),
                "num_units": len(chosen.units),
            }
            for chosen in self.pinned
        }
        images = self.options.images
        value = {"members": members, "images": asdict(images) if images else None}
        return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def pinned_pass(
    store: Store, home: Home, mixture: Mixture, num_samples: int, options: StreamOptions
) -> tuple[PinnedPass | None, Mapping[str, list[str]]]:
    """A pass over `num_samples` annotations of each member's validation split, and the members without one by reason.

    None if no member has one. A split that the mixture trains on is never used. The annotations are chosen by a keyed
    permutation of the split; a larger number includes those of a smaller one.
    """
    missing: dict[str, list[str]] = {}
    wanted: list[Member] = []
    read = {(load_card(member.dataset).stored_as, member.split) for member in mixture.members}
    for member in mixture.members:
        card = load_card(member.dataset)
        if VALIDATION not in card.splits:
            missing.setdefault("no validation split", []).append(member.name)
        elif (card.stored_as, VALIDATION) in read:
            missing.setdefault("trains on its validation split", []).append(member.name)
        else:
            wanted.append(replace(member, split=VALIDATION))
    built = sources(store, replace(mixture, members=tuple(wanted), stages=()))
    unbuilt = [name for name, source in built.items() if not source.num_built]
    if unbuilt:
        missing["validation split not built"] = unbuilt
    library = Library(Path(options.templates)) if options.templates else PACKAGED
    renderer = Renderer(library, _SEED, mixture.render)
    parts = parts_of({name: source for name, source in built.items() if source.num_built}, renderer, 1)
    chosen: list[Pinned] = []
    for name, part in parts.items():
        if (reason := _unusable(part)) is not None:
            missing.setdefault(reason, []).append(name)
        else:
            chosen.append(Pinned(part.in_a_pass(), _units(part, num_samples)))
    # Exact pixels, whatever the run trains with: the published augmentations and the fast decoder are for training.
    images = options.images and ImageOptions(image_px=options.images.image_px, frames=options.images.frames)
    plain = replace(options, images=images, annotations_per_image=1, local_order=False)
    return (PinnedPass(chosen, plain, store, home) if chosen else None), missing


def _unusable(part: Part) -> str | None:
    """Why a built validation split cannot be validated on, or None."""
    if part.hides_targets:
        return "its validation split hides the answers"
    if part.rows.media_sha256(0) is None:
        return "its validation split was built without images"
    return None


def _units(part: Part, num_samples: int) -> tuple[int, ...]:
    """The chosen units of a member, ascending, so that they are read in the order of the shards."""
    # By the stored split: a dataset and its view are validated on the same images.
    key = keyed_bits(_SEED, f"mixture/pinned/{part.card.stored_as}/{part.split}") % 2**64
    return chosen_numbers(part.units.count, num_samples, key)
