"""Settings: one declaration gives the check, the error line and the command-line option."""

from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ib_data.errors import IbDataError
from ib_data.settings import check_settings, setting, settings_of
from ib_data.stream_options import ImageOptions, StreamOptions
from ib_data.verbs.derived import options_of, values_of


@dataclass(frozen=True)
class Toy:
    size_px: int = setting(8, "Size.", least=1, most=16)
    share: float = setting(0.5, "Share.", least=0, most=1)
    mode: str = setting("slow", "Mode.", choices=("slow", "quick"))
    is_loud: bool = setting(False, "Loud.")
    folder: Path | None = setting(None, "Folder.", kind=Path)  # noqa: RUF009
    other: int = 3


@click.command()
@options_of(Toy, {"mode": ("off",)})
def command(**given: object) -> None:
    click.echo(repr(values_of(Toy, given)))


def test_options_have_the_names_and_defaults_of_the_fields() -> None:
    said = CliRunner().invoke(command, []).output
    assert said == "{'size_px': 8, 'share': 0.5, 'mode': 'slow', 'is_loud': False, 'folder': None}\n"
    given = ["--size-px", "16", "--share", "1", "--mode", "off", "--is-loud", "--folder", "."]
    assert "'size_px': 16, 'share': 1.0, 'mode': 'off', 'is_loud': True, 'folder': " in (
        CliRunner().invoke(command, given).output
    )
    found = CliRunner().invoke(command, ["--help"]).output
    assert found.index("--size-px") < found.index("--share") < found.index("--folder")
    assert "1<=x<=16" in found


@pytest.mark.parametrize("given", [["--size-px", "17"], ["--share", "1.1"], ["--mode", "fast"], ["--folder", "none"]])
def test_the_command_line_checks_the_settings(given: list[str]) -> None:
    assert CliRunner().invoke(command, given).exit_code == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"size_px": 0}, "size_px: expected an integer from 1 to 16, found 0"),
        ({"size_px": True}, "size_px: expected an integer from 1 to 16, found True"),
        ({"share": 1.5}, "share: expected a number from 0 to 1, found 1.5"),
        ({"mode": "quik"}, "mode: unknown value 'quik'; did you mean 'quick'?"),
        ({"is_loud": 1}, "is_loud: expected true or false, found 1"),
        ({"folder": "here"}, "folder: expected a folder, found 'here'"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(given: dict[str, object], said: str) -> None:
    with pytest.raises(IbDataError) as error:
        check_settings(Toy(**given))
    assert str(error.value) == said


@pytest.mark.parametrize("cls", [StreamOptions, ImageOptions])
def test_the_stream_verb_has_an_option_for_each_setting(cls: type) -> None:
    from ib_data.verbs.stream import command as stream

    assert set(settings_of(cls)) <= {parameter.name for parameter in stream.params}


def test_a_text_without_choices_is_checked_too() -> None:
    @dataclass(frozen=True)
    class Named:
        name: str = setting("", "Name.")

    check_settings(Named(name="x"))
    with pytest.raises(IbDataError, match="name: expected a text, found 3"):
        check_settings(Named(name=3))  # type: ignore[arg-type]
