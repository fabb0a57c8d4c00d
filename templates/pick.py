"""The first samples of a built split, read through its index."""

import pyarrow as pa
import pyarrow.compute as pc

from ib_data.builders.index import Extent
from ib_data.builders.manifest import Manifest, read_index, read_manifest
from ib_data.builders.reader import extent_of, read_sample
from ib_data.cards import Card
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.sample import Sample

_COLUMNS = ["key", "shard", "ordinal", *Extent.__dataclass_fields__]


def built_split(home: Home, card: Card, split: str | None = None) -> Manifest:
    """The manifest of `split`, by default of the first built one: the split the paper used, then the others.

    Raises IbDataError that says what to build where it is not there. A view reads the shards of its base.
    """
    name = card.stored_as
    order = [card.used_split, *(s for s in card.splits if s != card.used_split)]
    found = {s: manifest for s in order if (manifest := read_manifest(home.split(name, s), name))}
    if not found:
        of = f", whose shards {card.name} reads," if card.view_of else ""
        raise IbDataError(f"{name}{of} is not built here; run `ib-data build {name}`")
    if split is None:
        return next(iter(found.values()))
    if split not in found:
        raise IbDataError(
            f"{name}: split {split!r} is not built here (built: {', '.join(found)}); "
            f"run `ib-data build {name} --split {split}`"
        )
    return found[split]


def first_samples(home: Home, card: Card, split: str, n: int) -> list[tuple[Sample, bytes | None]]:
    """The first `n` samples of a built split in the order of their keys, each with the bytes of its image or clip.

    The bytes are None in a build without media. Raises IbDataError where the split is not built, DataError for a shard
    that does not hold what the index says.
    """
    manifest = built_split(home, card, split)
    folder = home.split(card.stored_as, manifest.split)
    keys = sorted(set(read_index(folder, manifest, ["key"])["key"].to_pylist()))[:n]
    if not keys:
        remedy = 'see `ib-data sql "from drops"` for the reasons'
        raise IbDataError(f"{card.name}: split {manifest.split!r} is built, but holds no sample; {remedy}")
    chosen = read_index(folder, manifest, _COLUMNS)
    rows = {row["key"]: row for row in chosen.filter(pc.is_in(chosen["key"], pa.array(keys))).to_pylist()}
    return [read_sample(folder / rows[key]["shard"], extent_of(rows[key])) for key in keys]
