"""The drawn sequence of a mixture as a table, even if members are not built."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.order.schedule import Schedule
from ib_data.mixtures.spec.built_members import Source, require_known, sources
from ib_data.mixtures.spec.mixture import Mixture
from ib_data.mixtures.spec.weights import stage_quotas
from ib_data.mixtures.stream.parts import find_built
from ib_data.replacing import replacing
from ib_data.stored.rows import Rows
from ib_data.stored.store import LocalStore

# Digits of a spec's checksum in the name of a kept file: enough to distinguish the specs in one home.
_NAME_DIGITS = 8


def drawn(
    home: Home, mixture: Mixture, count: int, *, seed: int = 0, start: int = 0, available: bool = False
) -> pa.Table:
    """A row for each of `count` positions from `start` on: position, member, dataset, rank, epoch, index, key, id.

    `key` and `id` are null if the member is not built. The last column, `spec_sha256`, is a hash of all that decides
    the draws. With `available`, the built members share the weights and a note names the others; raises IbDataError
    if none is built.
    """
    if available:
        mixture, found = find_built(LocalStore(home), mixture, available=True)
    else:
        require_known(mixture)
        found = sources(home, mixture)
    is_chat = mixture.render.turns == "chat"
    rows = {name: _rows(found[name]) for name in mixture.names}
    sizes = {name: found[name].epoch_size(mixture.render.turns) for name in mixture.names}
    draws = Schedule(stage_quotas(mixture), sizes, seed).slice(start, count)
    keys, ids = (np.full(count, None, dtype=object) for _ in range(2))
    for number, name in enumerate(mixture.names):
        places = np.flatnonzero(draws.member == number)
        if (of_member := rows[name]) and len(places):
            of_places = draws.index[places]
            keys[places], ids[places] = of_member.take_ids(of_member.last_turns[of_places] if is_chat else of_places)
    return pa.table(
        {
            "position": draws.position,
            "member": _texts(mixture.names, draws.member),
            "dataset": _texts([member.dataset for member in mixture.members], draws.member),
            "rank": draws.rank,
            "epoch": draws.epoch,
            "index": draws.index,
            "key": pa.array(keys, type=pa.string()),
            "id": pa.array(ids, type=pa.string()),
            "spec_sha256": _constant(_spec_sha256(mixture), count),
        }
    )


def keep(home: Home, mixture: Mixture, seed: int, table: pa.Table) -> Path:
    """Write a drawn sequence to `home.draws` for the catalog, atomically, and return its path.

    Adds the columns `mixture` and `seed` in front. Replaces one of the same spec, seed and positions; the file name
    distinguishes specs of the same name. Raises IbDataError for a seed that does not fit an integer column.
    """
    if not -(2**63) <= seed < 2**63:
        raise IbDataError(f"seed {seed} cannot be kept: expected -2**63 to 2**63 - 1")
    table = table.add_column(0, "seed", pa.array(np.full(len(table), seed, dtype=np.int64)))
    table = table.add_column(0, "mixture", _constant(mixture.name, len(table)))
    first = table.column("position")[0].as_py()
    spec = table.column("spec_sha256")[0].as_py()[:_NAME_DIGITS]
    path = home.draws / f"{mixture.name}-{spec}-seed{seed}-{first}-{len(table)}.parquet"
    home.draws.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        pq.write_table(table, part, compression="zstd")
    return path


def _rows(source: Source) -> Rows | None:
    return source.built.rows if source.built else None


def _spec_sha256(mixture: Mixture) -> str:
    """SHA-256 in hex of what decides the draws of a spec: members, quotas per stage, rendering; not its name."""
    members = [[member.name, member.dataset, member.split] for member in mixture.members]
    stages = [[stage.start, list(stage.quotas.values())] for stage in stage_quotas(mixture)]
    return sha256(json.dumps([members, stages, asdict(mixture.render)]).encode()).hexdigest()


def _constant(text: str, count: int) -> pa.Array:
    """The same text `count` times."""
    return _texts([text], np.zeros(count, dtype=np.int16))


def _texts(names: Sequence[str], numbers: NDArray[np.int16]) -> pa.Array:
    """The name of each number."""
    return pa.array(names, type=pa.string()).take(pa.array(numbers))
