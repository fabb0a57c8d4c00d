"""Reads a mixture spec from its file, and checks keys, values and their combinations.

A spec with a `base` takes the base's members, rule, render options and stages, and states only what differs.
"""

import math
from collections import Counter
from collections.abc import Collection, Set
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ib_data.cards import card_names, load_card
from ib_data.cards.roots import mixture_files, shown
from ib_data.errors import DataError, IbDataError, UnknownNameError, did_you_mean, quoted
from ib_data.home import SPLITS
from ib_data.mixtures.order.schedule import BLOCK, MAX_POSITION
from ib_data.mixtures.spec.mixture import COUNTS, Member, Mixture, StageSpec
from ib_data.strict import MAX_TOML_BYTES, Table, parse_toml, read_text
from ib_data.tasks import TASKS
from ib_data.templates.render_options import RenderOptions

RULES = ("sqrt", "proportional", "uniform", "temperature", "fixed")
_RULES_WITHOUT_SIZES = {"uniform", "fixed"}
_KEYS = ("rule", "exponent", "members", "render", "stages")
_KEYS_OF_DERIVED = ("without", "only", "scales")
# A float holds sizes exactly up to here, and ranks over any run fit in 64 bits.
_MAX_SIZE = 2**53
_MAX_SCALE = 1e6
# At 10, a member half the size of another has a thousandth of its share, and 2**53 to that power still fits a float.
_MAX_EXPONENT = 10


def mixture_names() -> tuple[str, ...]:
    """The names of the packaged mixtures and of those in the user's dataset folders, sorted."""
    return tuple(mixture_files())


def load_mixture(name_or_path: str | Path) -> Mixture:
    """The packaged mixture with this name, the one in a .toml file, or a dataset as a mixture of one member.

    A packaged mixture takes precedence over a dataset of the same name. Raises DataError for an invalid spec, and
    UnknownNameError for a name or file that does not exist.
    """
    name = str(name_or_path)
    table = _find(name, Path())
    return _mixture(table, _base(table, Path(name).parent) if "base" in table.values else None)


def _find(name: str, folder: Path) -> Table:
    """The spec of a packaged name or a dataset, or in a file whose path may be relative to `folder`."""
    if file := mixture_files().get(name):
        return _packaged(name, file.read_text(encoding="utf-8"), shown(file, "mixtures"))
    if name in card_names():
        return _of_dataset(name)
    path = folder / name
    if path.suffix != ".toml":
        near = did_you_mean(name, (*mixture_names(), *card_names()))
        raise UnknownNameError(f"unknown mixture {name!r}; {near} (or give a dataset or a .toml file)")
    try:
        return _table(path.stem, read_text(path, MAX_TOML_BYTES), str(path))
    except FileNotFoundError as error:
        raise UnknownNameError(f"mixture file {path} does not exist; packaged: {', '.join(mixture_names())}") from error


def _of_dataset(name: str) -> Table:
    """The spec of a mixture whose only member is the split of a dataset that the paper used, at its official size."""
    card = load_card(name)
    size = card.size or card.splits[card.used_split].num_annotations
    member = {"dataset": name, "split": card.used_split, **({"size": size} if size else {})}
    return _table_of({"rule": "sqrt", "members": [member]}, name, f"cards/{name}.md")


@lru_cache(maxsize=32)
def _packaged(name: str, text: str, file: str) -> Table:
    """The spec of a named mixture. Cached: a mixture is often a base, and the catalog loads all of them."""
    return _table(name, text, file)


def _table(name: str, text: str, file: str) -> Table:
    try:
        values = parse_toml(text)
    except ValueError as error:
        raise DataError(name, str(error), file=file) from error
    return _table_of(values, name, file)


def _table_of(values: dict[str, Any], name: str, file: str) -> Table:
    table = Table.of(values, name, file).only((*_KEYS, "base", *_KEYS_OF_DERIVED))
    for key in _KEYS_OF_DERIVED:
        if key in values and "base" not in values:
            raise table.error(f"{key!r} has no meaning without 'base'", "name the mixture that it changes as 'base'")
    return table


def _base(table: Table, folder: Path) -> Mixture:
    """The base of `table`, with the members that `table` keeps and its scales."""
    wanted = table.get("base", str)
    try:
        found = _find(wanted, folder)
    except DataError:
        raise
    except IbDataError as error:
        raise table.error(f"'base': {error}") from error
    if "base" in found.values:
        whose = "is this spec itself" if Path(found.file) == Path(table.file) else "has a base of its own"
        raise table.error(f"'base': {wanted!r} {whose}", "name a mixture that writes out its members")
    base = _mixture(found, None)
    if "without" in table.values and "only" in table.values:
        raise table.error("'without' and 'only' are both given", "keep one of them")
    without, only = (_names(table, key, base) for key in ("without", "only"))
    # `only` also sets the order of the members, as listing them does.
    kept = only if "only" in table.values else tuple(name for name in base.names if name not in without)
    scales = _scales(table, kept)
    members = {m.name: replace(m, scale=scales.get(m.name, m.scale)) for m in base.members}
    return replace(base.only(kept), members=tuple(members[name] for name in kept))


def _names(table: Table, key: str, base: Mixture) -> tuple[str, ...]:
    names = table.texts(key)
    for name in names:
        if name not in base.names:
            raise table.error(f"{key!r}: {base.name} has no member {name!r}", did_you_mean(name, base.names))
        if names.count(name) > 1:
            raise table.error(f"{key!r}: {name!r} is listed twice")
    return names


def _mixture(table: Table, base: Mixture | None) -> Mixture:
    rule, exponent = _rule(table, base)
    stages = tuple(_stages(table, rule)) if "stages" in table.values or base is None else base.stages
    rules = {rule, *(stage.rule for stage in stages if stage.rule)}
    own = [_member(row, rules) for row in table.tables("members")]
    members = (*(base.members if base else ()), *own)
    if not members:
        remedy = "keep at least one of its base" if base else "add a [[members]] table with dataset, split and size"
        raise table.error("a mixture needs members", remedy)
    for name, count in Counter(member.name for member in members).items():
        if count > 1:
            places = [i for i, member in enumerate(own) if member.name == name]
            raise table.tables("members")[places[-1]].error(f"member {name!r} is listed twice", "merge the two entries")
    render = RenderOptions.of(table.table("render")) if "render" in table.values or base is None else base.render
    mixture = Mixture(name=table.owner, rule=rule, exponent=exponent, members=members, render=render, stages=stages)
    _check_stages(mixture, table)
    return mixture


def _rule(table: Table, base: Mixture | None) -> tuple[str, float | None]:
    """The rule and, under `temperature`, its exponent."""
    if base and "rule" not in table.values:
        given = _exponent(table, base.rule, needed=False)
        return base.rule, base.exponent if given is None else given
    rule = table.get("rule", str)
    if rule not in RULES:
        raise table.error(f"unknown rule {rule!r}", did_you_mean(rule, RULES))
    return rule, _exponent(table, rule, needed=rule == "temperature")


def _exponent(table: Table, rule: str, *, needed: bool) -> float | None:
    """The exponent in `table`, or None. Raises DataError if `rule` has no exponent."""
    if "exponent" not in table.values and not needed:
        return None
    if rule != "temperature":
        remedy = "remove it, or use rule = 'temperature'"
        raise table.error(f"'exponent' has no meaning under the rule {rule!r}", remedy)
    return _from_zero(table, "exponent", table.get("exponent", float), _MAX_EXPONENT)


def _member(row: Table, rules: Set[str]) -> Member:
    """One of `members`; `rules` are all rules that the stages of the spec use."""
    row.only(("dataset", "task", "split", "size", "counts", "cap", "scale", "weight"))
    dataset = row.get("dataset", str)
    split = row.get("split", str)
    if split not in SPLITS:
        raise row.error(f"member {dataset!r}: unknown split {split!r}", did_you_mean(split, SPLITS))
    if "cap" in row.values and rules <= _RULES_WITHOUT_SIZES:
        problem = f"member {dataset!r}: 'cap' has no meaning under the rule {min(rules)!r}"
        raise row.error(problem, "remove it, or use a rule that looks at sizes")
    if "weight" in row.values and "fixed" not in rules:
        remedy = "remove it, or use rule = 'fixed'; 'scale' multiplies what a rule gives"
        raise row.error(f"member {dataset!r}: 'weight' has no meaning under the rule {min(rules)!r}", remedy)
    return Member(
        dataset=dataset,
        task=row.one_of("task", TASKS) if "task" in row.values else None,
        split=split,
        size=_size(row, "size", dataset),
        counts=row.one_of("counts", COUNTS) if "counts" in row.values else COUNTS[0],
        cap=_size(row, "cap", dataset) if "cap" in row.values else None,
        scale=_from_zero(row, "scale", row.get("scale", float, 1.0), _MAX_SCALE),
        weight=_from_zero(row, "weight", row.get("weight", float), _MAX_SCALE) if "fixed" in rules else None,
    )


def _stages(table: Table, rule: str) -> list[StageSpec]:
    """The stages in order; `rule` is the top-level one. Names in `scales` are checked once all members are known."""
    stages: list[StageSpec] = []
    for row in table.tables("stages"):
        row.only(("start", "rule", "exponent", "scales"))
        if {key for key, value in row.values.items() if value != {}} == {"start"}:
            raise row.error("a stage that changes nothing", "give it a rule, an exponent or scales, or remove it")
        own_rule = row.one_of("rule", RULES) if "rule" in row.values else None
        rule = own_rule or rule
        exponent = _exponent(row, rule, needed=own_rule == "temperature")
        start = _start(row, stages[-1].start if stages else 0)
        scales = {name: row.table("scales").get(name, float) for name in row.table("scales").values}
        stages.append(StageSpec(start=start, rule=own_rule, exponent=exponent, scales=scales))
    return stages


def _start(row: Table, before: int) -> int:
    start = row.get("start", int)
    if start > MAX_POSITION:
        raise row.error(f"'start' expected a position of at most 2**62, found {start}", "no run gets that far")
    if start <= 0:
        problem = f"a stage that starts too early: 'start' expected a position above 0, found {start}"
        raise row.error(problem, "top-level keys apply from position 0")
    if start % BLOCK:
        problem = f"'start' expected a multiple of {BLOCK}, found {start}"
        raise row.error(problem, f"the next one is {-(-start // BLOCK) * BLOCK}")
    if start <= before:
        raise row.error(f"'start' {start} is not after {before}, where the stage before it starts")
    return start


def _scales(table: Table, names: Collection[str]) -> dict[str, float]:
    """The table `scales`, whose keys are names of members."""
    scales = table.table("scales")
    for name in scales.values:
        if name not in names:
            raise scales.error(f"there is no member {name!r}", did_you_mean(name, names))
    return {name: _from_zero(scales, name, scales.get(name, float), _MAX_SCALE) for name in scales.values}


def _check_stages(mixture: Mixture, table: Table) -> None:
    """Raise DataError for stages with unknown members, nothing to draw, or missing weights under the rule `fixed`."""
    own = table.tables("stages")
    for row in own:
        _scales(row, mixture.names)
    for number, (start, stage) in enumerate(mixture.in_stages()):
        place = own[number - 1] if number and own else table
        lacking = [m.name for m in stage.members if stage.rule == "fixed" and m.weight is None]
        if lacking:
            problem = f"member {lacking[0]!r}: key 'weight' is missing, which the rule 'fixed' needs"
            raise place.error(problem, "under the rule 'uniform' the scales do what weights do")
        if not any(m.scale and (m.weight or stage.rule != "fixed") for m in stage.members):
            where = f"all weights are 0 from position {start} on" if number else "all weights are 0"
            raise place.error(where, "give at least one member a scale and weight above 0")


def _size(row: Table, key: str, dataset: str) -> int:
    size = row.get(key, int)
    if not 1 <= size <= _MAX_SIZE:
        raise row.error(f"member {dataset!r}: {key!r} expected an integer from 1 to 2**53, found {quoted(size)}")
    return size


def _from_zero(table: Table, key: str, value: float, most: float) -> float:
    if not math.isfinite(value) or not 0 <= value <= most:
        raise table.error(f"{key!r}: expected a number from 0 to {most:g}, found {value}")
    return value
