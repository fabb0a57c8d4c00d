"""Command-line options made from the settings of a dataclass."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from ib_data.settings import Setting, defaults_of, settings_of

F = TypeVar("F", bound=Callable[..., Any])


def options_of(cls: type, more_choices: Mapping[str, tuple[str, ...]] | None = None) -> Callable[[F], F]:
    """Adds an option for each setting of `cls`; the verb receives each by its name.

    `more_choices` are further values of a setting that only the command line accepts.
    """

    def decorate(function: F) -> F:
        for name in reversed(settings_of(cls)):
            function = option_of(cls, name, more_choices=(more_choices or {}).get(name, ()))(function)
        return function

    return decorate


def option_of(cls: type, name: str, *, more_choices: tuple[str, ...] = (), **differing: Any) -> Callable[[F], F]:
    """Adds the option of one setting of `cls`. `differing` is given to `click.option` in place of what is derived."""
    found, default = settings_of(cls)[name], defaults_of(cls)[name]
    given: dict[str, Any] = {"is_flag": True}
    if found.kind is not bool:
        given = {"type": _click_type(found, more_choices), "default": default, "show_default": default is not None}
    return click.option(f"--{name.replace('_', '-')}", name, **{**given, "help": found.help, **differing})


def values_of(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values given to a verb that are settings of `cls`, by name."""
    return {name: given[name] for name in settings_of(cls)}


def _click_type(found: Setting, more: tuple[str, ...]) -> "click.ParamType[Any]":
    if found.choices:
        return click.Choice([*found.choices, *more])
    is_open = found.least is None and found.most is None  # click shows an open range as `x<=None`
    if found.kind is int:
        return click.INT if is_open else click.IntRange(found.least, found.most)  # type: ignore[arg-type]
    if found.kind is float:
        return click.FLOAT if is_open else click.FloatRange(found.least, found.most)
    if found.kind is str:
        return click.STRING
    assert found.kind is Path
    return click.Path(exists=True, file_okay=False, path_type=Path)
