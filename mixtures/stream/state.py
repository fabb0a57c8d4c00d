"""The state of a stream as plain JSON, and the check whether a stream can resume from it.

A state holds all that decided the positions before it: seed, members, stages that had begun, options. What a spec says
about later positions may change.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ib_data.errors import IbDataError
from ib_data.mixtures.order.schedule import ALGORITHM, BLOCK, MAX_POSITION, Stage
from ib_data.strict import Table

_REMEDY = "use the mixture, seed, options and shards it was saved with, or start a new run"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """A stage that had begun when the state was saved."""

    start: int
    quotas: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """The keys of a state."""

    algorithm: int
    seed: int
    position: int
    fingerprint: str
    members: Mapping[str, Mapping[str, Any]]
    stages: tuple[_Stage, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Everything that decides the order and the texts of a stream, except its seed.

    `members` maps each name to a plain dict (split, number of units, checksum of the index, ...); `options` are plain
    values.
    """

    members: Mapping[str, Mapping[str, Any]]
    stages: Sequence[Stage]
    options: Mapping[str, Any]

    def before(self, position: int) -> dict[str, Any]:
        """The part that decided the positions before `position`, as plain JSON."""
        begun = [stage for stage in self.stages if stage.start < position or stage.start == 0]
        drawn = [name for name in self.members if any(stage.quotas.get(name) for stage in begun)]
        stages = [
            {"start": stage.start, "quotas": {name: stage.quotas[name] for name in drawn if stage.quotas.get(name)}}
            for stage in begun
        ]
        members = {name: dict(self.members[name]) for name in drawn}
        return {"members": members, "stages": stages, "options": dict(self.options)}


def fingerprint(described: Mapping[str, Any]) -> str:
    """SHA-256 in hex of a description as plain JSON, and of the algorithm."""
    return sha256(json.dumps([ALGORITHM, BLOCK, described], sort_keys=False).encode()).hexdigest()


def state_of(description: Description, seed: int, position: int) -> dict[str, Any]:
    """The state for resuming at `position`: the next one that the consumer has not received, 0 to 2**62."""
    if not 0 <= position <= MAX_POSITION:
        raise ValueError(f"position {position} is not in 0 to 2**62")
    described = description.before(position)
    head = {"algorithm": ALGORITHM, "seed": seed, "position": position, "fingerprint": fingerprint(described)}
    return {**head, **described}


def position_of(state: Mapping[str, Any], description: Description, seed: int) -> int:
    """The position to resume at. Raises IbDataError, naming what changed, if the state is from another stream."""
    table = Table.of(state, "stream", "state")
    then = table.into(_State)
    if not 0 <= then.position <= MAX_POSITION:
        raise table.error(f"position {then.position} is not in 0 to 2**62")
    changes = [
        f"{name} was {was}, is {now}"
        for name, was, now in (("algorithm", then.algorithm, ALGORITHM), ("seed", then.seed, seed))
        if was != now
    ]
    now = description.before(then.position)
    if then.fingerprint != fingerprint(now):
        changes += _changes({"members": then.members, "options": then.options}, now)
        stages = {stage.start: stage.quotas for stage in then.stages}
        changes += _stage_changes(stages, now["stages"], then.members.keys() & now["members"])
        changes = changes or ["the fingerprint"]
    if changes:
        raise IbDataError(f"this state is of another stream: {'; '.join(changes)}; {_REMEDY}")
    return then.position


def _changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    old, new = then["members"], now["members"]
    changes = [f"member {name} is gone" for name in old if name not in new]
    changes += [f"member {name} is new" for name in new if name not in old]
    for name in (name for name in new if name in old):
        changes += _differences(old[name], new[name], f"{name}: ")
    if not changes and list(old) != list(new):
        changes.append("the order of the members")
    return changes + _differences(then["options"], now["options"], "")


def _differences(then: Mapping[str, Any], now: Mapping[str, Any], place: str) -> list[str]:
    keys = [*now, *(key for key in then if key not in now)]
    return [f"{place}{key} was {then.get(key)}, is {now.get(key)}" for key in keys if then.get(key) != now.get(key)]


def _stage_changes(old: Mapping[int, Mapping[str, Any]], now: list[dict[str, Any]], names: set[str]) -> list[str]:
    """The differences between stages that had begun, and between quotas of members that both streams have."""
    new = {row["start"]: row["quotas"] for row in now}
    changes = [f"the stage from position {start} is gone" for start in old if start not in new]
    changes += [f"the stage from position {start} is new and starts in the past" for start in new if start not in old]
    for start in (start for start in new if start in old):
        of = f" from position {start}" if start else ""
        changes += [
            f"{name}: quota{of} was {old[start].get(name, 0)}, is {new[start].get(name, 0)}"
            for name in sorted(names)
            if old[start].get(name, 0) != new[start].get(name, 0)
        ]
    return changes
