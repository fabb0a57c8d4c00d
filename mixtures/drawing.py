"""The drawn sequence of a mixture as rows, whether its members are built or not."""

from typing import Any

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.rows import Rows
from ib_data.mixtures.schedule import Schedule
from ib_data.mixtures.sources import Source, sources
from ib_data.mixtures.spec import load_mixture
from ib_data.mixtures.weights import quotas


def drawn(
    home: Home, spec: str, count: int, *, seed: int = 0, start: int = 0, available: bool = False
) -> list[dict[str, Any]]:
    """A row for each position from `start` on: position, member, rank, epoch, index, and key and id where built.

    With `available` the weights are shared among the built members; IbDataError where there are none.
    """
    mixture = load_mixture(spec)
    found = sources(home, mixture)
    if available:
        mixture = mixture.only(name for name, source in found.items() if source.num_built)
        if not mixture.members:
            raise IbDataError(f"mixture {mixture.name}: none of its members is built; leave out --available")
    sizes = {name: found[name].size for name in mixture.datasets}
    rows = {name: _rows(found[name]) for name in mixture.datasets}
    schedule = Schedule(quotas(mixture), sizes, seed)
    draws = schedule.slice(start, count)
    result = []
    for i in range(count):
        member, index = schedule.names[draws.member[i]], int(draws.index[i])
        of_member = rows[member]
        key, annotation_id = of_member.ids(index) if of_member else (None, None)
        result.append(
            {
                "position": int(draws.position[i]),
                "member": member,
                "rank": int(draws.rank[i]),
                "epoch": int(draws.epoch[i]),
                "index": index,
                "key": key,
                "id": annotation_id,
            }
        )
    return result


def _rows(source: Source) -> Rows | None:
    return Rows(source.folder, source.manifest) if source.folder and source.num_built and source.manifest else None
