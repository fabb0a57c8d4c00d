"""`ib-data stream`: read a mixture as training does, and measure the speed."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import count_text
from ib_data.home import Home
from ib_data.interrupts import Interrupts
from ib_data.stored.urls import DEFAULT_CACHE_BYTES
from ib_data.stream_options import ImageOptions, StreamOptions
from ib_data.verbs.arguments import common_options, json_option
from ib_data.verbs.derived import options_of, values_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ib_data.mixtures.stream.example import ExampleIds

_POSITION = click.IntRange(0, 2**60)


@click.command(name="stream")
@click.argument("spec")
@click.option(
    "-n", "count", type=click.IntRange(1, 2**40), help="Number of positions. [default: 1000; all with --once]"
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the order and of the rendering.")
@click.option("--start", type=_POSITION, default=0, show_default=True, help="First position.")
@click.option("--world", type=click.IntRange(1, 2**20), default=1, show_default=True, help="Number of processes.")
@click.option(
    "--rank", type=click.IntRange(min=0), default=0, show_default=True, help="Number of this process, from 0."
)
@click.option("--batch-size", type=click.IntRange(1, 2**20), help="Positions per step, over all processes.")
@click.option("--workers", type=click.IntRange(0, 256), default=0, show_default=True, help="Loading processes (torch).")
@click.option("--ids", is_flag=True, help="List the positions from the index, without reading shards.")
@click.option("--once", is_flag=True, help="Read everything that is built once, as validation does.")
@options_of(ImageOptions, {"decode": ("none",)})
@options_of(StreamOptions)
@click.option("--shards", metavar="URL", help="Location of the shards if not in the home, such as s3://bucket/shards.")
@click.option(
    "--cache-gb",
    type=click.IntRange(0, 10**6),
    default=DEFAULT_CACHE_BYTES // 10**9,
    show_default=True,
    help="Gigabytes of shards from --shards to keep on disk.",
)
@click.option("--available", is_flag=True, help="Leave out members that are not built.")
@click.option("--strict", is_flag=True, help="Fail unless exactly the pinned size of every member is built.")
@json_option
@common_options
def command(spec: str, count: int | None, home: Home, as_json: bool, ids: bool, workers: int, **given: Any) -> None:
    """Read a mixture as training does, and measure the speed.

    SPEC is a packaged mixture, a dataset or a .toml file. The order does not depend on --world and --rank: each process
    gets its slice of every batch. Default batch size per process: 1 with --ids, else 64. With --ids, prints one line
    per position, separated by tabs: position, dataset, key, annotation id, template; with --json a list of objects.
    Without --ids, reads, decodes and renders every position and prints the throughput.

    \b
    ib-data stream demo -n 5 --ids
    ib-data stream demo -n 20000 --workers 2
    ib-data stream instructblip -n 8 --start 7000000 --world 8 --rank 3 --ids --available
    ib-data stream demo -n 2000 --shards s3://bucket/shards --local-order
    """
    world, rank, start = given["world"], given["rank"], given["start"]
    if rank >= world:
        raise click.UsageError(f"--rank {rank}: expected 0 to {world - 1} with --world {world}")
    batch_size = given["batch_size"] or (world if ids else 64 * world)
    if ids and given["once"]:
        raise click.UsageError("--ids lists the training order, which --once does not use; leave out one of them")
    if batch_size % world:
        raise click.UsageError(f"--batch-size {batch_size} must be a multiple of --world {world}")
    from ib_data.mixtures.loader.throughput import measured
    from ib_data.mixtures.stream.stream import open_stream

    images = None if given["decode"] == "none" else ImageOptions(**values_of(ImageOptions, given))
    opened = open_stream(
        home,
        spec,
        seed=given["seed"],
        available=given["available"],
        strict=given["strict"],
        options=StreamOptions(images=images, **values_of(StreamOptions, given)),
        shards=given["shards"],
        cache_bytes=given["cache_gb"] * 10**9,
    )
    count = count or (opened.pass_size if given["once"] else 1000)
    with Interrupts() as interrupts:
        if ids:
            _list_ids(opened.ids(start, count, world, rank, batch_size // world), count, as_json, interrupts)
            return
        found = measured(
            opened, count, batch_size, start=start, world=world, rank=rank, workers=workers, once=given["once"]
        )
    click.echo(json.dumps(found.values()) if as_json else "\n".join(found.lines()))
    if found.is_cut:
        raise interrupts.stopped(f" after {found.meter.num_positions:,} of {count_text(count, 'position')}")


def _list_ids(rows: "Iterable[ExampleIds]", count: int, as_json: bool, interrupts: Interrupts) -> None:
    """Print the rows as they are drawn; as JSON they are one whole list also where the listing is cut."""
    num_listed = 0
    try:
        for row in rows:
            if as_json:
                click.echo(("," if num_listed else "[") + json.dumps(asdict(row), ensure_ascii=False))
            else:
                click.echo(f"{row.position}\t{row.dataset}\t{row.key}\t{row.annotation_id}\t{row.template or '-'}")
            num_listed += 1
    except KeyboardInterrupt as error:
        raise interrupts.stopped(f" after {num_listed:,} of {count_text(count, 'position')}") from error
    finally:
        if as_json:
            click.echo("]" if num_listed else "[]")
