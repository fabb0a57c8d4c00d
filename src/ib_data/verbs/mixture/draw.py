"""`ib-data mixture draw`: print the sequence that a mixture draws, or save it for the catalog."""

import json
from typing import Any

import click

from ib_data.console import count_text, table
from ib_data.home import Home
from ib_data.verbs.arguments import common_options, json_option

_SHOWN = ["position", "member", "rank", "epoch", "index", "key", "id"]
# Aligning a million rows takes 8.5 s; drawing and printing them separated by tabs takes 3 s.
_MOST_ALIGNED = 10_000


@click.command()
@click.argument("spec")
@click.option("-n", "count", type=click.IntRange(1, 10**7), default=20, show_default=True, help="Number of positions.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the order.")
@click.option("--start", type=click.IntRange(0, 2**60), default=0, show_default=True, help="First position.")
@click.option("--available", is_flag=True, help="Draw only from members that are built.")
@click.option("--keep", "kept", is_flag=True, help="Save the rows in HOME/draws, for `ib-data sql`.")
@common_options
@json_option
def draw(spec: str, count: int, seed: int, start: int, available: bool, kept: bool, home: Home, as_json: bool) -> None:
    """List the members and indices drawn at positions START, START + 1, ...

    A member that is not built has indices over its pinned size, and no keys. More than 10,000 rows are printed as
    tab-separated lines.

    \b
    ib-data mixture draw demo -n 10
    ib-data mixture draw instructblip -n 5 --start 1000000000000 --json
    ib-data mixture draw demo -n 1000000 --keep
    """
    from ib_data.mixtures.spec.spec_file import load_mixture
    from ib_data.mixtures.stream.drawing import drawn, keep

    mixture = load_mixture(spec)
    found = drawn(home, mixture, count, seed=seed, start=start, available=available)
    if kept:
        path = str(keep(home, mixture, seed, found))
        click.echo(
            json.dumps({"path": path, "rows": len(found)}) if as_json else f"{path}: {count_text(len(found), 'row')}"
        )
    elif as_json:
        click.echo(json.dumps(found.select(_SHOWN).to_pylist()))
    else:
        rows = list(zip(*(found.column(name).to_pylist() for name in _SHOWN), strict=True))
        click.echo(table(_SHOWN, rows) if count <= _MOST_ALIGNED else _lines(rows))


def _lines(rows: list[tuple[Any, ...]]) -> str:
    """A header and the rows, separated by tabs; numbers without thousands separators."""
    return "\n".join("\t".join("-" if value is None else str(value) for value in row) for row in [tuple(_SHOWN), *rows])
