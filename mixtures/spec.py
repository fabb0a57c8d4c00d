"""A mixture spec: members with pinned sizes and a rule, read strictly from `mixtures/NAME.toml` or any .toml file.

What a weight counts: positions of the stream, that is annotations, not images and not batches.
"""

import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.resources import files as package_files
from pathlib import Path

from ib_data.errors import DataError, IbDataError, did_you_mean
from ib_data.home import SPLITS
from ib_data.strict import Table, read_toml

RULES = ("sqrt", "proportional", "uniform", "temperature", "fixed")
# Sizes stay exact in a float up to here, and ranks over any run stay inside 64 bits.
_MAX_SIZE = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One dataset of a mixture. `size` is the pinned number of annotations, whatever was downloaded.

    `scale` multiplies what the rule gives; 0 switches the member off. `weight` is set under the rule `fixed` alone.
    """

    dataset: str
    split: str
    size: int
    scale: float = 1.0
    weight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Members in the order of the spec. `exponent` is set under the rule `temperature` alone."""

    name: str
    rule: str
    members: tuple[Member, ...]
    exponent: float | None = None

    @property
    def datasets(self) -> tuple[str, ...]:
        """The members' names, in the order of the spec."""
        return tuple(member.dataset for member in self.members)

    def only(self, datasets: Iterable[str]) -> "Mixture":
        """This mixture over some of its members; their weights are shared out anew by the same rule."""
        kept = set(datasets)
        return replace(self, members=tuple(m for m in self.members if m.dataset in kept))


def mixture_names() -> tuple[str, ...]:
    """The names of the packaged mixtures, sorted."""
    return tuple(sorted(f.name[:-5] for f in package_files("ib_data.mixtures").iterdir() if f.name.endswith(".toml")))


def load_mixture(name_or_path: str | Path) -> Mixture:
    """The packaged mixture of that name, or the one in a .toml file.

    Raises DataError for a spec that is not of the form, IbDataError for a name or a file that is not there.
    """
    name = str(name_or_path)
    if name in mixture_names():
        text = package_files("ib_data.mixtures").joinpath(f"{name}.toml").read_text(encoding="utf-8")
        return parse_mixture(name, text, f"mixtures/{name}.toml")
    path = Path(name)
    if path.suffix != ".toml":
        remedy = f"{did_you_mean(name, mixture_names())} (or give a .toml file)"
        raise IbDataError(f"unknown mixture {name!r}; {remedy}")
    try:
        return parse_mixture(path.stem, read_toml(path), name)
    except FileNotFoundError as error:
        raise IbDataError(f"mixture file {name} is not there; packaged: {', '.join(mixture_names())}") from error
    except UnicodeDecodeError as error:
        raise DataError(path.stem, f"is not UTF-8 text: {error}", file=name) from error


def parse_mixture(name: str, text: str, file: str) -> Mixture:
    """The mixture in the TOML `text`; `file` is for messages. DataError for anything that is not of the form."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(name, f"is not TOML: {error}", file=file) from error
    table = Table.of(values, name, file).only(("rule", "exponent", "members"))
    rule = table.get("rule", str)
    if rule not in RULES:
        raise table.error(f"unknown rule {rule!r}", did_you_mean(rule, RULES))
    exponent = None
    if rule == "temperature":
        exponent = _at_least_zero(table, "exponent", table.get("exponent", float))
    elif "exponent" in table.values:
        raise table.error(
            f"'exponent' has no meaning under the rule {rule!r}", "remove it, or use rule = 'temperature'"
        )
    members: dict[str, Member] = {}
    for row in table.tables("members"):
        member = _member(row, rule)
        if member.dataset in members:
            raise row.error(f"member {member.dataset!r} stands twice", "merge the two entries")
        members[member.dataset] = member
    if not members:
        raise table.error("a mixture needs members", "add a [[members]] table with dataset, split and size")
    if not any(m.scale and (m.weight is None or m.weight) for m in members.values()):
        raise table.error("all weights are 0", "give at least one member a scale and weight above 0")
    return Mixture(name=name, rule=rule, exponent=exponent, members=tuple(members.values()))


def _member(row: Table, rule: str) -> Member:
    row.only(("dataset", "split", "size", "scale", "weight"))
    size = row.get("size", int)
    dataset = row.get("dataset", str)
    if not 1 <= size <= _MAX_SIZE:
        raise row.error(f"member {dataset!r}: 'size' expected an integer from 1 to 2**53, found {size}")
    split = row.get("split", str)
    if split not in SPLITS:
        raise row.error(f"member {dataset!r}: unknown split {split!r}", did_you_mean(split, SPLITS))
    weight = None
    if rule == "fixed":
        weight = _at_least_zero(row, "weight", row.get("weight", float))
    elif "weight" in row.values:
        remedy = "remove it, or use rule = 'fixed'; 'scale' multiplies what a rule gives"
        raise row.error(f"member {dataset!r}: 'weight' has no meaning under the rule {rule!r}", remedy)
    scale = _at_least_zero(row, "scale", row.get("scale", float, 1.0))
    return Member(dataset=dataset, split=split, size=size, scale=scale, weight=weight)


def _at_least_zero(table: Table, key: str, value: float) -> float:
    if not math.isfinite(value) or not 0 <= value <= 1e6:
        raise table.error(f"{key!r}: expected a number from 0 to 1e6, found {value}")
    return value
