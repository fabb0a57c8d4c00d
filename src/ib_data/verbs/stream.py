"""`ib-data stream`: what a training run would receive."""

import time

import click

from ib_data.home import Home
from ib_data.verbs.options import home_option

_POSITION = click.IntRange(0, 2**60)


@click.command(name="stream")
@click.argument("spec")
@click.option("-n", "count", type=click.IntRange(1, 2**40), default=1000, show_default=True, help="How many positions.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--start", type=_POSITION, default=0, show_default=True, help="First position.")
@click.option("--world", type=click.IntRange(1, 2**20), default=1, show_default=True, help="Number of processes.")
@click.option("--rank", type=click.IntRange(min=0), default=0, show_default=True, help="Which of them this one is.")
@click.option("--ids", is_flag=True, help="List the positions from the index alone; no shard is read.")
@click.option("--available", is_flag=True, help="Go without the members that are not built.")
@click.option("--strict", is_flag=True, help="Refuse members of which more or less than the pinned size is built.")
@home_option
def command(
    spec: str,
    count: int,
    seed: int,
    start: int,
    world: int,
    rank: int,
    ids: bool,
    available: bool,
    strict: bool,
    home: Home,
) -> None:
    """What a training run would receive.

    SPEC is a packaged mixture or a .toml file. Process RANK of WORLD receives the positions START + RANK,
    START + RANK + WORLD, ... of one order, which depends on neither. With --ids a line a position, separated by tabs:
    position, dataset, key, annotation id, template. Without it, all is read and rendered, nothing decoded, and the
    speed is printed.

    \b
    ib-data stream demo -n 5 --ids
    ib-data stream demo -n 20000
    ib-data stream instructblip -n 8 --start 7000000 --world 8 --rank 3 --ids --available
    """
    from ib_data.mixtures.stream import open_stream

    if rank >= world:
        raise click.UsageError(f"--rank {rank}: ranks of --world {world} run from 0 to {world - 1}")
    opened = time.perf_counter()
    stream = open_stream(home, spec, seed=seed, available=available, strict=strict)
    if ids:
        for row in stream.ids(start, count, world, rank):
            click.echo(f"{row.position}\t{row.dataset}\t{row.key}\t{row.annotation_id}\t{row.template or '-'}")
        return
    examples = stream.examples(start, count, world, rank)
    first = next(examples)
    began = time.perf_counter()
    num_bytes, done = 0, 0
    for example in examples:
        num_bytes += len(example.media or b"")
        done += 1
    elapsed_s = time.perf_counter() - began
    click.echo(f"first example after {began - opened:.3f} s: position {first.position}, {first.dataset}")
    if done:
        rates = f"{done / elapsed_s:,.0f} samples/s, {num_bytes / elapsed_s / 1e6:,.1f} MB/s of media"
        click.echo(f"then {done:,} in {elapsed_s:.3f} s: {rates}, read and rendered in one process, not decoded")
