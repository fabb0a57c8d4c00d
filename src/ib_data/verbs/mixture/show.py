"""`ib-data mixture show`: print weights, expected samples, epochs and built sizes of each member."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import count_text, table
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.verbs.arguments import common_options, json_option, samples_option

if TYPE_CHECKING:
    from ib_data.mixtures.spec.mixture import Mixture


@click.command()
@click.argument("spec")
@samples_option
@click.option("--strict", is_flag=True, help="Fail unless exactly the pinned size of every member is built.")
@common_options
@json_option
def show(spec: str, samples: int, strict: bool, home: Home, as_json: bool) -> None:
    """Show the weight of each member, and how often a run of --samples would draw it.

    Columns sqrt, proportional and uniform: the weights under these rules, without scales and caps. Epochs: samples
    divided by the number of built sampling units, or by the pinned size if nothing is built. `built` counts the same
    units as `size`; `differs` is built minus pinned. With stages, weight, samples and epochs are those of the whole
    run. A note lists members whose share of slots in the order is not exactly their weight.

    \b
    ib-data mixture show instructblip
    ib-data mixture show my.toml --samples 1000000 --json
    """
    from ib_data.mixtures.spec.built_members import differing_sizes, require_known, sources
    from ib_data.mixtures.spec.overview import drawn_apart, member_rows, stage_rows
    from ib_data.mixtures.spec.spec_file import load_mixture
    from ib_data.mixtures.spec.weights import TOTAL_QUOTA

    mixture = load_mixture(spec)
    require_known(mixture)
    found = sources(home, mixture)
    rows, stages = member_rows(mixture, found, samples), stage_rows(mixture)
    if as_json:
        head = {"mixture": mixture.name, "rule": mixture.rule, "exponent": mixture.exponent, "samples": samples}
        click.echo(json.dumps({**head, "render": asdict(mixture.render), "members": rows, "stages": stages}))
    else:
        members, length = count_text(len(rows), "member"), count_text(samples, "sample")
        click.echo(f"{mixture.name}: rule {mixture.rule}, {members}, a run of {length}")
        if changed := mixture.render.changed():
            click.echo(f"render: {', '.join(f'{key} = {value}' for key, value in changed.items())}")
        click.echo(_members(rows))
        click.echo(_total(rows, samples))
        if len(stages) > 1:
            click.echo(_stages(mixture, stages))
        for phrase in drawn_apart(rows, samples):
            click.echo(f"note: a cycle of the order has {TOTAL_QUOTA:,} slots: {phrase}")
    if strict and (differing := differing_sizes(mixture, found)):
        remedy = "build the rest, or leave out --strict"
        raise IbDataError(f"mixture {mixture.name}: {'; '.join(differing)}; {remedy}")


def _members(rows: list[dict[str, Any]]) -> str:
    """The rows as a table with a bar for each weight; columns `cap` and `counts` only if a member sets them."""
    from ib_data.mixtures.spec.overview import bar

    largest = max(row["weight"] for row in rows)
    shown = []
    for row in rows:
        epochs = row["epochs"] if row["epochs"] < 1000 else round(row["epochs"])
        shown.append({**row, "epochs": epochs, "share": bar(row["weight"], largest)})
    unset = {"cap": None, "counts": "annotations"}
    hidden = {"task", "drawn", *(name for name, value in unset.items() if all(row[name] == value for row in rows))}
    columns = [name for name in shown[0] if name not in hidden]
    return table(columns, [[row[name] for name in columns] for row in shown])


def _total(rows: list[dict[str, Any]], samples: int) -> str:
    size = sum(row["size"] for row in rows)
    built = [row["built"] for row in rows if row["built"] is not None]
    of_members = f"{sum(built):,} built (of {len(built)} of {count_text(len(rows), 'member')})"
    units = " and ".join(sorted({row["counts"] for row in rows}))
    return f"total: {size:,} {units} pinned, {of_members}, {count_text(samples, 'sample')}"


def _stages(mixture: "Mixture", stages: list[dict[str, Any]]) -> str:
    """The weights of each stage, side by side."""
    columns = ["member", *(f"from {stage['start']:,} ({stage['rule']})" for stage in stages)]
    rows = [[name, *(stage["weights"][name] for stage in stages)] for name in mixture.names]
    return f"weights in each of {len(stages)} stages:\n{table(columns, rows)}"
