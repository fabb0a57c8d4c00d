"""Reads a configuration: a packaged name or a TOML file, over the file that its `base` names, with overrides."""

from collections.abc import Iterable, Mapping
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from ib_data.errors import DataError, IbDataError, UnknownNameError, WrongUsageError, did_you_mean, quoted
from ib_data.strict import MAX_TOML_BYTES, Table, parse_toml, read_text
from ib_data.training.config.train_config import KINDS, REQUIRED, SETTINGS, TrainConfig, config_from


def config_names() -> tuple[str, ...]:
    """The names of the packaged configurations, sorted."""
    folder = package_files("ib_data.training").joinpath("configs")
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


def load_config(name_or_path: str, overrides: Iterable[str] = ()) -> TrainConfig:
    """The configuration of a packaged name or a TOML file, with `key=value` overrides.

    Raises UnknownNameError for an unknown name, override key or file, WrongUsageError for another fault of an override,
    and DataError for a fault in the file or in a base of it.
    """
    return _config(_find(name_or_path, Path()), overrides)


def parse_config(text: str, name: str, file: str, overrides: Iterable[str] = ()) -> TrainConfig:
    """The configuration in a TOML text; see `load_config`."""
    return _config(_table(text, name, file), overrides)


def config_of(table: Table) -> TrainConfig:
    """The configuration of a table that has no base. Raises DataError for an unknown key or a value not allowed."""
    return _built(_values(table.only(KINDS)), table)


def _config(table: Table, overrides: Iterable[str]) -> TrainConfig:
    values = _with_bases(table)
    typed = dict(map(_override, overrides))
    if not typed:
        return _built(values, table)
    given = Table.of(typed, table.owner, "command line")
    try:
        return _built({**values, **_values(given)}, given)
    except DataError as error:
        raise WrongUsageError(str(error).removeprefix(f"{table.owner}: ")) from error


def _built(values: Mapping[str, Any], table: Table) -> TrainConfig:
    """The configuration of these values; DataError that names the file of `table` if they do not fit together."""
    for key in REQUIRED:
        if key not in values:
            raise table.error(f"key {key!r} is missing (expected a text)", f"name the {key} to train")
    try:
        return config_from(values)
    except IbDataError as error:
        raise table.error(str(error)) from error


def _with_bases(table: Table) -> dict[str, Any]:
    """The values of a table over those of its base, over those of that one's base."""
    layers = [table]
    files = {_place(table)}
    while "base" in layers[-1].values:
        last = layers[-1]
        wanted = last.get("base", str)
        try:
            found = _find(wanted, Path(last.file).parent)
        except DataError:
            raise
        except IbDataError as error:
            raise last.error(f"'base': {error}") from error
        if _place(found) in files:
            chain = " -> ".join([*(layer.owner for layer in layers), found.owner])
            raise table.error(f"'base': the files name each other in a circle ({chain})", "remove one 'base'")
        files.add(_place(found))
        layers.append(found)
    values: dict[str, Any] = {}
    for layer in reversed(layers):
        values |= _values(layer)
    return values


def _place(table: Table) -> Path:
    return Path(table.file).resolve()


def _find(name: str, folder: Path) -> Table:
    """The table of a packaged name, or of a file whose path may be relative to `folder`."""
    if name.endswith(".toml"):
        path = folder / name
        try:
            return _table(read_text(path, MAX_TOML_BYTES), path.stem, str(path))
        except FileNotFoundError:
            known = ", ".join(config_names())
            raise UnknownNameError(f"no configuration file {path}; packaged ones: {known}") from None
    if name in config_names():
        packaged = package_files("ib_data.training").joinpath("configs", f"{name}.toml")
        return _table(packaged.read_text(encoding="utf-8"), name, f"training/configs/{name}.toml")
    known = did_you_mean(name, config_names())
    raise UnknownNameError(f"unknown configuration {name!r}; {known} (a path must end in .toml)")


def _table(text: str, name: str, file: str) -> Table:
    try:
        return Table.of(parse_toml(text), name, file).only((*KINDS, "base"))
    except ValueError as error:
        raise DataError(name, str(error), file=file) from error


def _values(table: Table) -> dict[str, Any]:
    """The values of a table, each checked by itself. Raises DataError for the first that is not allowed."""
    return {key: _value(table, key) for key in table.values if key != "base"}


def _value(table: Table, key: str) -> Any:
    value: Any = table.get(key, KINDS[key])
    if key == "betas":
        return tuple(value)
    known = SETTINGS.get(key)
    if known and known.kind is not Path and (fault := known.fault(value)):
        raise table.error(f"{key}: {fault}")
    return value


def _override(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise WrongUsageError(f"command line: expected key=value, found {quoted(text)}; known: {', '.join(KINDS)}")
    if key not in KINDS:
        raise UnknownNameError(f"command line: unknown key {key!r}; {did_you_mean(key, KINDS)}")
    kind = KINDS[key]
    try:
        if kind is list:
            return key, [float(item) for item in value.split(",")]
        return key, {"true": True, "false": False}[value] if kind is bool else kind(value)
    except (ValueError, KeyError):
        wanted = {int: "an integer", float: "a number", bool: "true or false", list: "two numbers such as 0.9,0.999"}
        raise WrongUsageError(f"command line: {key}: expected {wanted[kind]}, found {quoted(value)}") from None
