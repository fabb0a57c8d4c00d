"""The configuration of the study. A cell is one family, one seed and one arm; each has a result of its own."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ib_data.builders.miniature.mirror import VERSION
from ib_data.cards import load_card
from ib_data.errors import IbDataError
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.protocols.read import protocol_of
from ib_data.strict import Table, parse_toml
from ib_data.training.config.train_config import KINDS

WAYS = ("card", "own", "unaware")
PLAN = Path(__file__).parents[1] / "study.toml"
_KEYS = ("seeds", "mini_size", "cases", "held_in", "held_out", "cases_of", "splits", "families", "train", "arms")
_ARM_KEYS = ("train", "ways", "blind", "seedless", "after", "points", "datasets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to train. `train` are the keys that it changes; the rest is said in study.toml."""

    name: str
    train: Mapping[str, Any]
    ways: tuple[str, ...]
    blind: bool
    seedless: bool
    after: str
    points: tuple[int, ...]
    datasets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run of the study."""

    family: str
    seed: int
    arm: Arm

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.family}-{self.arm.name}" + ("" if self.arm.seedless else f"-{self.seed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole study. `families` maps a name to a model; `folder` is where paths of mixtures begin."""

    folder: Path
    seeds: tuple[int, ...]
    mini_size: int
    cases: int
    cases_of: Mapping[str, int]
    splits: Mapping[str, str]
    held_in: tuple[str, ...]
    held_out: tuple[str, ...]
    families: Mapping[str, str]
    train: Mapping[str, Any]
    arms: Mapping[str, Arm]

    def cells(self) -> Iterator[Cell]:
        """All cells, seed by seed, an arm after the one that it begins from."""
        for seed in self.seeds:
            for family in self.families:
                for arm in self.arms.values():
                    if not arm.seedless or seed == self.seeds[0]:
                        yield Cell(family=family, seed=seed, arm=arm)

    def before(self, cell: Cell) -> Cell | None:
        """The cell whose model this one begins from."""
        return Cell(family=cell.family, seed=cell.seed, arm=self.arms[cell.arm.after]) if cell.arm.after else None

    def training(self, cell: Cell) -> dict[str, Any]:
        """The keys of a training run, without its model."""
        values = {**self.train, **cell.arm.train, "seed": cell.seed}
        if str(values["mixture"]).endswith(".toml"):
            values["mixture"] = str(self.folder / values["mixture"])
        return values

    def protocol(self, name: str) -> Protocol:
        """How a dataset is evaluated: as its card says, on the split of the study."""
        return protocol_of(load_card(name), split=self.splits.get(name))

    def digest(self, cell: Cell) -> str:
        """What identifies the configuration of a cell, and its world. Other seeds and families do not change it."""
        values = asdict(self)
        for key in ("folder", "seeds", "families", "arms"):
            del values[key]
        arms = [asdict(cell.arm)] + ([asdict(self.arms[cell.arm.after])] if cell.arm.after else [])
        mixture = Path(self.training(cell)["mixture"])
        text = mixture.read_text(encoding="utf-8") if mixture.suffix == ".toml" else ""
        chosen = [values, arms, text, self.families[cell.family], cell.seed, VERSION]
        return sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]


def read_plan(path: Path = PLAN) -> Plan:
    """The plan in a file. Raises DataError, a kind of ValueError, for what does not fit."""
    table = Table.of(parse_toml(path.read_text(encoding="utf-8")), "study", path.name).only(_KEYS)
    train = table.table("train").only(KINDS)
    groups = {key: table.texts(key) for key in ("held_in", "held_out")}
    everything = (*groups["held_in"], *groups["held_out"])
    arms = {name: _arm(table.table("arms").table(name), name, everything) for name in table.table("arms").values}
    for arm in arms.values():
        if arm.after and arm.after not in list(arms)[: list(arms).index(arm.name)]:
            raise IbDataError(f"{path.name}: arm {arm.name}: 'after' must name an arm above it, found {arm.after!r}")
    return Plan(
        folder=path.resolve().parent,
        seeds=tuple(table.get("seeds", list)),
        mini_size=table.get("mini_size", int),
        cases=table.get("cases", int),
        cases_of=dict(table.table("cases_of").only(everything).values),
        splits=dict(table.table("splits").only(everything).values),
        **groups,
        families=dict(table.table("families").values),
        train=dict(train.values),
        arms=arms,
    )


def _arm(table: Table, name: str, everything: tuple[str, ...]) -> Arm:
    table.only(_ARM_KEYS)
    ways = table.texts("ways") or ("card",)
    for way in ways:
        if way not in WAYS:
            raise table.error(f"'ways': unknown way {way!r}", f"known: {', '.join(WAYS)}")
    return Arm(
        name=name,
        train=dict(table.table("train").only(KINDS).values),
        ways=ways,
        blind=table.get("blind", bool, False),
        seedless=table.get("seedless", bool, False),
        after=table.get("after", str, ""),
        points=tuple(table.get("points", list, [])),
        datasets=table.texts("datasets") or everything,
    )
