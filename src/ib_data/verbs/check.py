"""`ib-data check`: verify built datasets against their manifests."""

import json
from typing import TYPE_CHECKING

import click

from ib_data.console import count_text
from ib_data.errors import DataError, IbDataError, MissingExtraError
from ib_data.home import Home
from ib_data.verbs.arguments import common_options, json_option
from ib_data.verbs.built import nothing_built

if TYPE_CHECKING:
    from ib_data.cards import Card


@click.command(name="check")
@click.argument("names", nargs=-1, required=True)
@click.option("--decode", is_flag=True, help="Also read every sample and decode every image and clip.")
@common_options
@json_option
def command(names: tuple[str, ...], decode: bool, home: Home, as_json: bool) -> None:
    """Verify built datasets against their checksums.

    NAMES are datasets, or held-in, held-out, all (the built datasets of that group). Hashes every file and compares it
    with the manifest. Prints one line per difference; any difference makes the exit code 1. So does a clip that
    --decode cannot open because PyAV is missing.

    \b
    ib-data check vqav2
    ib-data check vqav2 okvqa --decode
    """
    built = _built(home, names)  # report a missing build before hashing anything
    from ib_data.builders.write.check import problems
    from ib_data.media.frames import PYAV_REMEDY
    from ib_data.stored.built_split import open_built

    found: dict[str, list[str]] = {}
    unopened: dict[str, str] = {}
    for card, splits in built:
        for split in splits:
            place = f"{card.name}/{split}"
            found[place] = []
            try:
                found[place].extend(problems(card, open_built(home, card.name, split, verify=False), decode))
            except MissingExtraError as error:
                unopened[place] = str(error)
            except DataError as error:  # the manifest
                found[place].append(str(error))
    if as_json:
        click.echo(json.dumps(found, indent=1))
    for place, lines in found.items():
        if not as_json:
            click.echo(f"{place}: {'checked in part' if place in unopened and not lines else _counted(lines)}")
            for line in [*lines, *([unopened[place]] if place in unopened else [])]:
                click.echo(f"  {line}")
    if any(found.values()):
        raise IbDataError("some files differ from their manifest; build the splits listed above again")
    if unopened:
        places = ", ".join(unopened)
        raise MissingExtraError(f"{places}: no problem found, but clips were not opened: {PYAV_REMEDY}")


def _counted(lines: list[str]) -> str:
    return count_text(len(lines), "problem") if lines else "ok"


def _built(home: Home, names: tuple[str, ...]) -> "list[tuple[Card, list[str]]]":
    """Each dataset that NAMES stand for, with its built splits, damaged ones included.

    Raises IbDataError if a dataset given by name has no built split, or if no dataset has one.
    """
    from ib_data.cards.named import GROUPS, stored_cards
    from ib_data.stored.manifest import built_folders

    found = [
        (card, [folder.name for folder in built_folders(home, card.name) if folder.name in card.splits])
        for card in stored_cards(names)
    ]
    named = stored_cards(name for name in names if name not in GROUPS)
    for card, splits in found:
        if card in named and not splits:
            raise IbDataError(f"{card.name} is not built here; run `ib-data build {card.name}`")
    if not any(splits for _, splits in found):
        raise nothing_built(home, names)
    return found
