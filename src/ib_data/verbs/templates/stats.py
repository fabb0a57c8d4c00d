"""`ib-data templates stats`: measure how long rendered instructions and targets are."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ib_data.console import note, table
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.templates.render_options import MAX_INSTRUCTION_TOKENS, MAX_TARGET_TOKENS
from ib_data.verbs.arguments import common_options, json_option
from ib_data.verbs.built import built_cards
from ib_data.verbs.failures import raise_summary
from ib_data.verbs.rendering import Rendering, rendering_options

if TYPE_CHECKING:
    from ib_data.templates.stats.stats_file import Stats


@click.command("stats")
@click.argument("names", nargs=-1)
@click.option(
    "-n",
    "max_rows",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Render at most this many per split.",
)
@click.option(
    "--tokenizer", type=click.Path(path_type=Path), help="Also count tokens, with this tokenizer.json or its folder."
)
@click.option(
    "--max-instruction-tokens",
    type=click.IntRange(min=1),
    default=MAX_INSTRUCTION_TOKENS,
    show_default=True,
    help="Longer instructions count as cut.",
)
@click.option(
    "--max-target-tokens",
    type=click.IntRange(min=1),
    default=MAX_TARGET_TOKENS,
    show_default=True,
    help="Longer targets count as cut.",
)
@rendering_options
@json_option
@common_options
def command(
    names: tuple[str, ...],
    max_rows: int,
    tokenizer: Path | None,
    max_instruction_tokens: int,
    max_target_tokens: int,
    rendering: Rendering,
    as_json: bool,
    home: Home,
) -> None:
    """Measure the lengths of instructions and targets, per template.

    NAMES are built datasets, or held-in, held-out, all (the default). Renders annotations spread evenly over the split;
    held-out datasets use their zero-shot prompt. Lengths are the 5th, 50th, 95th and 99th percentile and the maximum.
    The result is saved beside the shards, with the options and templates used, and shown by `ib-data card NAME`.

    \b
    ib-data templates stats vqav2
    ib-data templates stats held-in --tokenizer vicuna-7b/tokenizer.json --json
    """
    cards = built_cards(home, names or ("all",), rendering.split)
    from ib_data.cards.built import open_split
    from ib_data.templates.stats.counting import count_lengths
    from ib_data.templates.stats.stats_file import write_stats
    from ib_data.templates.stats.token_counts import load_token_counter

    counter = load_token_counter(tokenizer) if tokenizer else None
    renderer = rendering.renderer()
    for card in cards:
        renderer.templates(card.task)  # a faulty template file is one error, not one per dataset
    found = []
    problems: dict[str, str] = {}
    for card in cards:
        try:
            built = open_split(home, card, rendering.split)
            stats = count_lengths(
                card,
                built,
                renderer,
                max_rows=max_rows,
                counter=counter,
                max_instruction_tokens=max_instruction_tokens,
                max_target_tokens=max_target_tokens,
            )
        except IbDataError as error:
            problems[card.name] = str(error)
            continue
        write_stats(built.folder, stats)
        found.append(stats)
    if as_json:
        click.echo(json.dumps([stats.to_plain() for stats in found], indent=1, ensure_ascii=False))
    elif found:
        _print(found)
    raise_summary(problems.values(), f"{len(problems)} datasets could not be rendered: {', '.join(problems)}")


def _print(found: "list[Stats]") -> None:
    from ib_data.templates.stats.stats_file import length_header, length_rows

    has_tokens = any(stats.tokenizer_sha256 for stats in found)
    rows = [(stats.dataset, stats.split, *row) for stats in found for row in length_rows(stats, has_tokens)]
    click.echo(table(("dataset", "split", *length_header(has_tokens)), rows))
    note("lengths: 5th / 50th / 95th / 99th percentile / maximum")
    for stats in found:
        if not stats.num_rows:
            note(f"{stats.dataset}/{stats.split}: built, but without annotations")
        for reason, count in stats.failures.items():
            note(f"{stats.dataset}/{stats.split}: {count:,} of {stats.num_rows:,} not rendered: {reason}")
