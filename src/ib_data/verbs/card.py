"""`ib-data card`: the facts about one dataset."""

import json

import click

from ib_data.builders.manifest import built
from ib_data.cards import find_card
from ib_data.cards.render import BuiltSplit, card_markdown, card_values
from ib_data.home import SPLITS, Home
from ib_data.verbs.options import home_option


@click.command("card")
@click.argument("name")
@click.option("--format", "output", type=click.Choice(["md", "json"]), default="md", show_default=True, help="Form.")
@home_option
def command(name: str, output: str, home: Home) -> None:
    """The facts about one dataset, with what is built of it.

    \b
    Example:
      ib-data card okvqa
      ib-data card okvqa --format json | jq .files
    """
    card = find_card(name)
    manifests = sorted(built(home), key=lambda manifest: (*SPLITS, manifest.split).index(manifest.split))
    counts = {
        manifest.split: BuiltSplit(
            num_samples=manifest.num_samples,
            num_annotations=manifest.num_annotations,
            num_drops=manifest.num_drops,
            num_shards=len(manifest.shards),
            num_bytes=sum(shard.num_bytes for shard in manifest.shards),
        )
        for manifest in manifests
        if manifest.dataset == card.stored_as and manifest.split in card.splits
    }
    if output == "json":
        click.echo(json.dumps(card_values(card, counts), indent=1, ensure_ascii=False))
    else:
        click.echo(card_markdown(card, counts), nl=False)
