"""Settings: dataclass fields with a default, a range or choices, and a help text.

Command-line options, the keys of files and error lines come from them, so each is written once. Imports little,
because `--help` loads it.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ib_data.errors import IbDataError, did_you_mean, quoted

_KEY = "ib_data.setting"
_WORDS: dict[type, str] = {
    str: "a text", int: "an integer", float: "a number", bool: "true or false", Path: "a folder",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The values a setting allows: one of `choices`, or of type `kind` and from `least` to `most` (None: no limit)."""

    help: str
    kind: type
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    def fault(self, value: object) -> str | None:
        """What is wrong with a value, in words, or None if it is allowed."""
        if self.choices:
            if value in self.choices:
                return None
            return f"unknown value {quoted(value)}; {did_you_mean(str(value), self.choices)}"
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = is_number if self.kind is float else isinstance(value, self.kind)
        if self.kind is int:
            fits = type(value) is int
        if fits and self.least is not None:
            fits = self.least <= value and (self.most is None or value <= self.most)  # type: ignore[operator]
        return None if fits else f"expected {_WORDS[self.kind]}{self._range()}, found {quoted(value)}"

    def _range(self) -> str:
        if self.least is None:
            return ""
        return f" of at least {self.least:,}" if self.most is None else f" from {self.least:,} to {self.most:,}"


def setting(
    default: Any,
    help_text: str,
    *,
    kind: type | None = None,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field with this default; `kind` defaults to the type of the default."""
    found = Setting(help=help_text, kind=kind or type(default), least=least, most=most, choices=choices)
    return field(default=default, metadata={_KEY: found})


def settings_of(cls: type) -> dict[str, Setting]:
    """The settings of a dataclass by name, in order; fields that are no setting are left out."""
    return {f.name: f.metadata[_KEY] for f in fields(cls) if _KEY in f.metadata}


def defaults_of(cls: type) -> dict[str, Any]:
    """The default of each setting of a dataclass."""
    return {f.name: f.default for f in fields(cls) if _KEY in f.metadata}


def check_settings(owner: object) -> None:
    """Raise IbDataError that names the first setting of a dataclass instance whose value is not allowed."""
    defaults = defaults_of(type(owner))
    for name, found in settings_of(type(owner)).items():
        value = getattr(owner, name)
        is_absent = value is None and defaults[name] is None
        if not is_absent and (fault := found.fault(value)):
            raise IbDataError(f"{name}: {fault}")
