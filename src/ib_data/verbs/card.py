"""`ib-data card`: print the facts about one dataset."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ib_data.errors import DataError
from ib_data.home import Home
from ib_data.stored.manifest import Manifest, survey
from ib_data.verbs.arguments import common_options, json_option
from ib_data.verbs.failures import raise_summary

if TYPE_CHECKING:
    from ib_data.cards import Card
    from ib_data.cards.page import BuiltCounts, Counted
    from ib_data.templates.stats.stats_file import Stats


@click.command("card")
@click.argument("name")
@click.option(
    "--format", "output", type=click.Choice(["md", "json"]), default="md", show_default=True, help="Output format."
)
@json_option
@common_options
def command(name: str, output: str, home: Home, as_json: bool) -> None:
    """Show the facts about a dataset, and what is built of it.

    Also shows the lengths of instructions and targets if `ib-data templates stats` was run.

    \b
    ib-data card okvqa
    ib-data card okvqa --json | jq .files
    """
    from ib_data.cards import find_card
    from ib_data.cards.page import card_markdown, card_values

    card = find_card(name)
    manifests, damages = survey(home, card.stored_as)
    damaged = {damage.split: str(damage.error) for damage in damages if damage.split in card.splits}
    counts = {m.split: _with_templates(_counts(m, card), home, card, m) for m in manifests if m.split in card.splits}
    if as_json or output == "json":
        click.echo(json.dumps(card_values(card, counts, damaged), indent=1, ensure_ascii=False))
    else:
        click.echo(card_markdown(card, counts, damaged), nl=False)
    lost = {split: b.damaged_templates for split, b in counts.items() if b.damaged_templates}
    places = ", ".join([*damaged, *(f"the template counts of {split}" for split in lost)])
    raise_summary([*damaged.values(), *lost.values()], f"{card.stored_as} is damaged: {places}")


def _counts(manifest: Manifest, card: "Card") -> "BuiltCounts":
    from ib_data.cards.kinds import kind_of
    from ib_data.cards.page import BuiltCounts

    return BuiltCounts(
        kind=kind_of(manifest, card),
        num_samples=manifest.num_samples,
        num_annotations=manifest.num_annotations,
        num_drops=manifest.num_drops,
        num_shards=len(manifest.shards),
        num_bytes=manifest.num_bytes,
    )


def _with_templates(counts: "BuiltCounts", home: Home, card: "Card", manifest: Manifest) -> "BuiltCounts":
    try:
        return replace(counts, templates=_templates(home, card, manifest))
    except DataError as error:
        return replace(counts, damaged_templates=str(error))


def _templates(home: Home, card: "Card", manifest: Manifest) -> "Counted | None":
    """The result of `ib-data templates stats` for a split, or None if it was not run."""
    from ib_data.cards.page import Counted
    from ib_data.templates.stats.stats_file import length_header, length_rows, outdated, read_stats

    stats = read_stats(home.split(manifest.dataset, manifest.split), card.name)
    if stats is None:
        return None
    has_tokens, earlier = stats.tokenizer_sha256 is not None, outdated(stats, card, manifest)
    return Counted(
        about=_about(stats, earlier),
        header=length_header(has_tokens),
        rows=length_rows(stats, has_tokens),
        values={**stats.to_plain(), "is_current": earlier is None},
    )


def _about(stats: "Stats", earlier: str | None) -> str:
    lines = [
        f"{stats.num_rows:,} of {stats.num_annotations:,} annotations rendered with seed {stats.seed}. Lengths as "
        "5 / 50 / 95 / 99 percent / longest."
    ]
    if stats.templates_folder:
        lines.append(f"Templates: `{stats.templates_folder}`.")
    if chosen := stats.render.changed():
        lines.append(f"Options: {', '.join(f'{name} = {value}' for name, value in chosen.items())}.")
    if stats.tokenizer_sha256:
        limits = f"{stats.max_instruction_tokens} and {stats.max_target_tokens} tokens"
        lines.append(f"Cut: above {limits}. Tokenizer: SHA-256 `{stats.tokenizer_sha256[:12]}`.")
    lines += [f"Not rendered: {count:,}, {reason}." for reason, count in stats.failures.items()]
    if earlier:
        lines.append(f"Of {earlier}: run `ib-data templates stats {stats.dataset}` again.")
    return " ".join(lines)
