"""`ib-data mixture diff`: how two mixtures differ, member by member."""

import json

import click

from ib_data.console import count_text, table
from ib_data.home import Home
from ib_data.verbs.arguments import common_options, json_option, samples_option


@click.command()
@click.argument("a")
@click.argument("b")
@samples_option
@common_options
@json_option
def diff(a: str, b: str, samples: int, home: Home, as_json: bool) -> None:
    """Compare mixtures A and B, largest change of weight first.

    A member missing from one of them has weight 0 there. Weights and epochs are those of a run of --samples.

    \b
    ib-data mixture diff instructblip held-in-available
    ib-data mixture diff instructblip my.toml --samples 1000000 --json
    """
    from ib_data.mixtures.spec.built_members import require_known, sources
    from ib_data.mixtures.spec.overview import compared_rows, differences
    from ib_data.mixtures.spec.spec_file import load_mixture

    of_a, of_b = load_mixture(a), load_mixture(b)
    require_known(of_a)
    require_known(of_b)
    changes = differences(of_a, of_b)
    rows = compared_rows(of_a, of_b, (sources(home, of_a), sources(home, of_b)), samples)
    same = not changes and not any(row["change"] for row in rows)
    if as_json:
        head = {"a": of_a.name, "b": of_b.name, "samples": samples, "same": same}
        click.echo(json.dumps({**head, "changes": changes, "members": rows}))
        return
    if same:
        click.echo(f"{a} and {b} are the same mixture")
        return
    click.echo(f"A is {of_a.name}, B is {of_b.name}, a run of {count_text(samples, 'sample')}")
    for change in changes:
        click.echo(change)
    columns = ["member", "weight A", "weight B", "B / A", "epochs A", "epochs B", "what the specs say"]
    keys = ("member", "weight_a", "weight_b", "ratio", "epochs_a", "epochs_b", "change")
    click.echo(table(columns, [[row[key] for key in keys] for row in rows]))
