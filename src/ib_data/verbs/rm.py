"""`ib-data rm`: delete built datasets."""

import click

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.verbs.arguments import common_options, json_option, split_option
from ib_data.verbs.removing import dry_run_option, remove_asked, yes_option


@click.command(name="rm")
@click.argument("names", nargs=-1, required=True)
@split_option
@yes_option
@dry_run_option
@json_option
@common_options
def command(names: tuple[str, ...], split: str | None, yes: bool, is_dry: bool, as_json: bool, home: Home) -> None:
    """Delete built datasets: shards, index and manifest.

    NAMES are datasets, or held-in, held-out, all. Lists the sizes and asks before deleting, unless --yes is given.
    Downloaded official files stay, so that a dataset can be built again; `ib-data clean --downloads` deletes them.

    \b
    ib-data rm vqav2
    ib-data rm vqav2 okvqa --split validation --yes
    """
    from ib_data.cards.named import GROUPS, named_cards

    cards = named_cards(names)
    if view := next((card for card in cards if card.view_of and card.name in names), None):
        raise click.UsageError(
            f"{view.name} is a view of {view.view_of} and has no files; name {view.view_of} to delete both"
        )
    cards = [card for card in cards if not card.view_of]
    from ib_data.removal import no_build, removable_splits

    found = removable_splits(home, [card.name for card in cards], split)
    there = {item.what.partition("/")[0] for item in found}
    if lacking := [name for name in names if name not in (*GROUPS, *there)]:
        of = f" of split {split!r}" if split else ""
        raise IbDataError(
            f"nothing{of} is built of {', '.join(lacking)} in {home.root}; run `ib-data list --built` to see what is"
        )
    with no_build(home, [item.what.replace("/", "-") for item in found]):
        num_removed = remove_asked(found, yes=yes, is_dry=is_dry, as_json=as_json)
    if num_removed:
        from ib_data.mixtures.catalog.file import rebuild

        rebuild(home)
