"""`ib-data mixture`: the weights of a mixture, and the sequence it draws."""

import json
from typing import Any

import click

from ib_data.console import table
from ib_data.home import Home
from ib_data.verbs.options import home_option, json_option

# 60K steps of 128 samples: the Vicuna-7B run (arXiv 2305.06500, section 2.5).
_PAPER_SAMPLES = 7_680_000


@click.group(name="mixture")
def command() -> None:
    """Weights of a mixture, and the sequence it draws.

    SPEC is a packaged mixture (instructblip, demo) or a .toml file.

    \b
    ib-data mixture show instructblip
    ib-data mixture draw instructblip -n 10 --seed 1
    """


@command.command()
@click.argument("spec")
@click.option("--samples", type=click.IntRange(1, 2**60), default=_PAPER_SAMPLES, show_default=True, help="Run length.")
@home_option
@json_option
def show(spec: str, samples: int, home: Home, as_json: bool) -> None:
    """Weights of each member, and what a run of --samples would see of it.

    The columns sqrt, proportional and uniform are the weights that the same sizes would have under these rules.
    Epochs go over what is built, over the pinned size where nothing is.

    \b
    ib-data mixture show instructblip
    ib-data mixture show my.toml --samples 1000000 --json
    """
    from ib_data.mixtures.sources import sources
    from ib_data.mixtures.spec import load_mixture
    from ib_data.mixtures.weights import weights, weights_under

    mixture = load_mixture(spec)
    share = weights(mixture)
    other = {rule: weights_under(mixture, rule) for rule in ("sqrt", "proportional", "uniform")}
    rows: list[dict[str, Any]] = []
    for name, source in sources(home, mixture).items():
        rows.append(
            {
                "member": name,
                "task": source.card.task if source.card else None,
                "size": source.member.size,
                "scale": source.member.scale,
                "weight": share[name],
                **{rule: value[name] for rule, value in other.items()},
                "samples": round(share[name] * samples),
                "epochs": share[name] * samples / source.size,
                "built": source.num_built,
            }
        )
    if as_json:
        click.echo(json.dumps({"mixture": mixture.name, "rule": mixture.rule, "samples": samples, "members": rows}))
        return
    click.echo(f"{mixture.name}: rule {mixture.rule}, {len(rows)} members, a run of {samples:,} samples")
    for row in rows:
        row["epochs"] = row["epochs"] if row["epochs"] < 1000 else round(row["epochs"])
        row["built"] = "not built" if row["built"] is None else f"{row['built']:,}"
    click.echo(table(list(rows[0]), [list(row.values()) for row in rows]))


@command.command()
@click.argument("spec")
@click.option("-n", "count", type=click.IntRange(1, 10**7), default=20, show_default=True, help="How many positions.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--start", type=click.IntRange(0, 2**60), default=0, show_default=True, help="First position.")
@click.option("--available", is_flag=True, help="Share the weights among the members that are built, as a run would.")
@home_option
@json_option
def draw(spec: str, count: int, seed: int, start: int, available: bool, home: Home, as_json: bool) -> None:
    """The members and indices drawn at positions START, START + 1, ...

    A member that is not built is drawn over its pinned size and has no key yet.

    \b
    ib-data mixture draw demo -n 10
    ib-data mixture draw instructblip -n 5 --start 1000000000000 --json
    """
    from ib_data.mixtures.drawing import drawn

    rows = drawn(home, spec, count, seed=seed, start=start, available=available)
    if as_json:
        click.echo(json.dumps(rows))
        return
    click.echo(table(list(rows[0]), [list(row.values()) for row in rows]))
