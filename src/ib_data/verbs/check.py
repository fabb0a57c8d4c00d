"""`ib-data check`: is what is built what its manifest says?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ib_data.errors import DataError, IbDataError
from ib_data.home import Home
from ib_data.verbs.options import GROUPS, home_option, json_option, nothing_built, stored_cards

if TYPE_CHECKING:
    from ib_data.cards import Card


@click.command(name="check")
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--decode", is_flag=True, help="Also read every sample by its byte range and open every picture and clip."
)
@home_option
@json_option
def command(names: tuple[str, ...], decode: bool, home: Home, as_json: bool) -> None:
    """Re-hash what is built and compare it with its manifest.

    NAMES are datasets, or held-in, held-out, all (which pass over what is not built). Every difference is a line, and
    any makes the exit code 1.

    \b
    ib-data check vqav2
    ib-data check vqav2 okvqa --decode
    """
    found: dict[str, list[str]] = {}
    named = stored_cards(name for name in names if name not in GROUPS)
    for base in stored_cards(names):
        for split in base.splits:
            differences = _differences(base, home.split(base.name, split), decode)
            if differences is not None:
                found[f"{base.name}/{split}"] = differences
        if base in named and not any(place.startswith(f"{base.name}/") for place in found):
            raise IbDataError(f"{base.name} is not built here; run `ib-data build {base.name}`")
    if not found:
        raise nothing_built(home, names)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    for place, lines in found.items():
        if not as_json:
            click.echo(f"{place}: {_counted(lines)}")
            for line in lines:
                click.echo(f"  {line}")
    if any(found.values()):
        raise IbDataError("what is built differs from its manifest; build the named splits again")


def _counted(lines: list[str]) -> str:
    return f"{len(lines)} problem{'s' if len(lines) > 1 else ''}" if lines else "ok"


def _differences(card: "Card", folder: Path, decode: bool) -> list[str] | None:
    """What is amiss in the folder of a split, None where it is not built. A damaged manifest is a difference too."""
    from ib_data.builders.check import problems
    from ib_data.builders.manifest import read_manifest

    try:
        manifest = read_manifest(folder, card.name)
    except DataError as error:
        return [str(error)]
    return list(problems(card, manifest, folder, decode)) if manifest else None
