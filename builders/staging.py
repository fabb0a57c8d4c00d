"""The folder of a build in progress: shards as they are finished, then the whole, put in place by one rename.

What will stay is written into `whole`, what only the build needs into `parts`. A run that is killed leaves finished
shards there, and the same command goes on with them.
"""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from tqdm import tqdm

from ib_data.builders.fetch import sha256_of
from ib_data.builders.files import Files
from ib_data.builders.index import DROPS_SCHEMA, SCHEMA, write_table
from ib_data.builders.manifest import DROPS, INDEX, Manifest
from ib_data.builders.options import Options
from ib_data.builders.plan import Plan, Planned
from ib_data.builders.rows import Drop
from ib_data.builders.shards import ShardJob, ShardResult, finished, rows_file, write_shard
from ib_data.errors import IbDataError

WHOLE, PARTS, OLD = "whole", "parts", "old"


def recover(staging: Path, target: Path) -> None:
    """Undo or finish a swap that was killed half-way: the earlier build must not be lost, nor kept for ever."""
    if (staging / OLD).exists() and not target.exists():
        (staging / OLD).replace(target)
    shutil.rmtree(staging / OLD, ignore_errors=True)


def prepare(staging: Path, recipe: dict[str, Any]) -> None:
    """Make the staging folder, with the shards of an earlier run of the same recipe or empty."""
    begun = staging / PARTS / "recipe.json"
    text = json.dumps(recipe, indent=1, sort_keys=True)
    if not (staging / WHOLE).is_dir() or not begun.exists() or begun.read_text(encoding="utf-8") != text:
        shutil.rmtree(staging, ignore_errors=True)
        (staging / WHOLE).mkdir(parents=True)
        (staging / PARTS).mkdir()
        begun.write_text(text, encoding="utf-8")


def _jobs(plan: Plan, staging: Path, options: Options) -> Iterator[ShardJob]:
    for start in range(0, len(plan.samples), options.samples_per_shard):
        planned = plan.samples[start : start + options.samples_per_shard]
        yield ShardJob(
            name=_shard_name(planned, start // options.samples_per_shard),
            folder=staging / WHOLE,
            parts=staging / PARTS,
            planned=planned,
            allow_missing=options.allow_missing,
            max_side=options.max_side,
        )


def _shard_name(planned: tuple[Planned, ...], number: int) -> str:
    return f"{planned[0].sample.dataset}-{planned[0].sample.split}-{number:06d}.tar"


def write_all(plan: Plan, staging: Path, options: Options, what: str) -> list[ShardResult]:
    """Write every shard that is not there yet; the results in the order of the shards."""
    jobs = list(_jobs(plan, staging, options))
    results = {job.name: result for job in jobs if (result := finished(staging / PARTS, job.name))}
    open_jobs = [job for job in jobs if job.name not in results]
    with tqdm(desc=what, total=len(jobs), initial=len(results), unit="shard", disable=None, leave=False) as bar:
        for result in _run(open_jobs, options.workers):
            results[result.shard.name] = result
            bar.update()
    return [results[job.name] for job in jobs]


def _run(jobs: list[ShardJob], workers: int) -> Iterator[ShardResult]:
    if workers <= 1 or len(jobs) <= 1:
        yield from map(write_shard, jobs)
        return
    # spawn: a fork would copy the locks of whatever threads are running here.
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(write_shard, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            remedy = "out of memory? run the same command again with fewer --workers: finished shards are kept"
            raise IbDataError(f"a worker process was killed; {remedy}") from error
        finally:
            for future in futures:
                future.cancel()


def finish(files: Files, plan: Plan, results: list[ShardResult], staging: Path, recipe: dict[str, Any]) -> Manifest:
    """Join the index, write the drops, and last the manifest."""
    whole = staging / WHOLE
    shards = [result.shard for result in results if result.shard.num_samples]
    with pq.ParquetWriter(whole / INDEX, SCHEMA, compression="zstd") as index:
        for shard in shards:
            index.write_table(pq.read_table(rows_file(staging / PARTS, shard.name), schema=SCHEMA))
    drops = [*plan.drops, *(drop for result in results for drop in result.drops)]
    write_table((_drop_row(files, drop) for drop in drops), DROPS_SCHEMA, whole / DROPS)
    kept = {INDEX, DROPS, *(shard.name for shard in shards)}
    for path in whole.iterdir():
        if path.name not in kept:
            path.unlink()
    manifest = Manifest(
        dataset=files.dataset,
        split=files.split,
        num_samples=sum(shard.num_samples for shard in shards),
        num_annotations=sum(shard.num_annotations for shard in shards),
        num_drops=len(drops),
        index_sha256=sha256_of(whole / INDEX),
        drops_sha256=sha256_of(whole / DROPS),
        shards=tuple(shards),
        recipe=recipe,
    )
    manifest.write(whole)
    return manifest


def _drop_row(files: Files, drop: Drop) -> dict[str, str]:
    return {"dataset": files.dataset, "split": files.split, **asdict(drop)}


def swap(staging: Path, target: Path) -> None:
    """Put the finished folder in place of an earlier build; `recover` mends a kill between the two renames."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.replace(staging / OLD)
    (staging / WHOLE).replace(target)
    shutil.rmtree(staging)
