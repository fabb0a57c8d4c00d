"""`ib-data check`: is what is built what its manifest says?"""

import json

import click

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.verbs.options import home_option, json_option, stored_cards


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
    from ib_data.builders.check import problems
    from ib_data.builders.manifest import read_manifest

    found: dict[str, list[str]] = {}
    for base in stored_cards(names):
        for split in base.splits:
            folder = home.split(base.name, split)
            manifest = read_manifest(folder, base.name)
            if manifest:
                found[f"{base.name}/{split}"] = list(problems(base, manifest, folder, decode))
        if base.name in names and not any(place.startswith(f"{base.name}/") for place in found):
            raise IbDataError(f"{base.name} is not built here; run `ib-data build {base.name}`")
    if as_json:
        click.echo(json.dumps(found, indent=1))
    for place, lines in found.items():
        if not as_json:
            click.echo(f"{place}: {'ok' if not lines else f'{len(lines)} problems'}")
            for line in lines:
                click.echo(f"  {line}")
    if any(found.values()):
        raise IbDataError("what is built differs from its manifest; build the named splits again")
