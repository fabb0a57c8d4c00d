"""`ib-data render`: instruction and target as a trainer would see them."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import click

from ib_data.cards import Card, find_card
from ib_data.console import printable
from ib_data.home import Home
from ib_data.sample import Annotation
from ib_data.verbs.options import home_option, json_option, split_option, templates_option


@click.command()
@click.argument("name")
@click.option("-n", "number", type=click.IntRange(min=1), default=5, show_default=True, help="Annotations to render.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draws of template and answer.")
@click.option("--all-templates", is_flag=True, help="Each annotation through every template it has the fields for.")
@split_option
@templates_option
@json_option
@home_option
def command(
    name: str,
    number: int,
    seed: int,
    all_templates: bool,
    split: str | None,
    folder: Path | None,
    as_json: bool,
    home: Home,
) -> None:
    """Instruction and target as a trainer would see them.

    The first annotations of a built split, at positions 0, 1, 2, ... A held-out dataset gets its zero-shot prompt,
    any other one of the training templates, drawn by (seed, position).

    \b
    ib-data render vqav2 -n 3 --seed 7
    ib-data render vsr -n 1 --all-templates
    """
    from ib_data.templates.preview import fixed_template
    from ib_data.templates.render import render, render_all

    card = find_card(name)
    fixed = fixed_template(card, folder)
    rows = []
    for position, (key, annotation) in enumerate(islice(_annotations(home, card, split, number), number)):
        if all_templates:
            found = render_all(card, annotation, seed=seed, position=position, folder=folder)
        else:
            found = [render(card, annotation, seed=seed, position=position, template=fixed, folder=folder)]
        rows += [{"key": key, **asdict(rendered)} for rendered in found]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        click.echo(f"{row['key']}  annotation {row['annotation_id']}  position {row['position']}  seed {row['seed']}")
        click.echo(f"  [{row['template']} {row['template_sha256'][:8]}] {printable(row['instruction'])}")
        click.echo(f"  -> {printable(row['target'])}")


def _annotations(home: Home, card: Card, split: str | None, number: int) -> Iterator[tuple[str, Annotation]]:
    from ib_data.templates.pick import built_split, first_samples

    for sample, _media in first_samples(home, card, built_split(home, card, split).split, number):
        for annotation in sample.annotations:
            yield sample.key, annotation
