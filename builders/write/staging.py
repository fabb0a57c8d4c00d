"""The folder of a build in progress, moved into place by one rename at the end.

The final files are in `whole`, files that only the build needs in `parts`. A killed or failed run leaves its finished
shards there, and the same command reuses those whose plan has not changed.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop
from ib_data.builders.write.build_options import Options
from ib_data.builders.write.plan import Plan, Planned
from ib_data.builders.write.shard_writer import ShardJob, ShardResult, Unreadable, finished, rows_file, write_shard
from ib_data.builders.write.worker_processes import WorkerContext
from ib_data.console import Progress
from ib_data.errors import DataError, IbDataError
from ib_data.file_state import sha256_of
from ib_data.stored.index import DROPS_SCHEMA, SCHEMA, write_table
from ib_data.stored.manifest import DROPS, INDEX, Manifest

WHOLE, PARTS, OLD = "whole", "parts", "old"


# Keys of the recipe that may differ from run to run, since the plan checksum of each shard covers them.
_OF_EACH_SHARD = ("plan_sha256", "sources", "origins", "allow_missing")


def recover(staging: Path, target: Path) -> None:
    """Undo or finish a swap that was killed half-way, so that the earlier build is neither lost nor left over."""
    if (staging / OLD).exists() and not target.exists():
        (staging / OLD).replace(target)
    shutil.rmtree(staging / OLD, ignore_errors=True)


def prepare(staging: Path, recipe: dict[str, Any]) -> None:
    """Create the staging folder, or keep it if an earlier run used the same options and versions.

    Each shard has its own plan checksum, so that an image that was fetched again only affects its own shard.
    """
    begun = staging / PARTS / "recipe.json"
    lasting = {key: value for key, value in recipe.items() if key not in _OF_EACH_SHARD}
    text = json.dumps(lasting, indent=1, sort_keys=True)
    if not (staging / WHOLE).is_dir() or _bytes_of(begun) != text.encode():
        shutil.rmtree(staging, ignore_errors=True)
        (staging / WHOLE).mkdir(parents=True)
        (staging / PARTS).mkdir()
        begun.write_text(text, encoding="utf-8")


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _jobs(plan: Plan, checksums: Sequence[str], staging: Path, options: Options) -> Iterator[ShardJob]:
    for number, plan_sha256 in enumerate(checksums):
        start = number * options.samples_per_shard
        planned = plan.samples[start : start + options.samples_per_shard]
        yield ShardJob(
            name=_shard_name(planned, number),
            folder=staging / WHOLE,
            parts=staging / PARTS,
            planned=planned,
            plan_sha256=plan_sha256,
            allow_missing=options.allow_missing,
            max_side=options.max_side,
        )


def _shard_name(planned: tuple[Planned, ...], number: int) -> str:
    return f"{planned[0].sample.dataset}-{planned[0].sample.split}-{number:06d}.tar"


def write_all(plan: Plan, checksums: Sequence[str], staging: Path, options: Options, what: str) -> list[ShardResult]:
    """Write every missing or damaged shard; returns the results of all shards in order.

    `checksums` has the plan checksum of each shard. Raises DataError, after trying all shards, if images or clips do
    not open, unless `allow_missing`.
    """
    jobs = list(_jobs(plan, checksums, staging, options))
    with ThreadPoolExecutor(options.workers) as pool:  # hashing releases the GIL
        known = pool.map(finished, jobs)
        results = {job.name: result for job, result in zip(jobs, known, strict=True) if result}
    open_jobs = [job for job in jobs if job.name not in results]
    with Progress(f"{what}: writing", len(jobs), "shard", done=len(results)) as shown:
        for result in _run(open_jobs, options.workers):
            results[result.shard.name] = result
            shown.add()
    ordered = [results[job.name] for job in jobs]
    if unreadable := [item for result in ordered for item in result.unreadable]:
        raise _unreadable(unreadable, len(plan.samples))
    return ordered


def _unreadable(found: list[Unreadable], num_planned: int) -> DataError:
    first = found[0]
    num_annotations = sum(len(item.sample.annotations) for item in found)
    kind = "clip" if first.sample.media.kind == "video" else first.sample.media.kind
    problem = (
        f"{len(found):,} of {num_planned:,} {kind}s cannot be read ({num_annotations:,} annotations), "
        f"first: {first.problem}"
    )
    remedy = (
        "fetch them again, or drop their annotations, counted, with --allow-missing; the same command reuses finished "
        "shards"
    )
    return DataError(first.sample.dataset, problem, file=first.place, row=first.sample.key, remedy=remedy)


def _run(jobs: list[ShardJob], workers: int) -> Iterator[ShardResult]:
    if workers <= 1 or len(jobs) <= 1:
        yield from map(write_shard, jobs)
        return
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=WorkerContext()) as pool:
        futures = [pool.submit(write_shard, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            remedy = "out of memory? Run the same command again with fewer --workers; finished shards are kept"
            raise IbDataError(f"a worker process was killed; {remedy}") from error
        finally:
            for future in futures:
                future.cancel()


def finish(files: Files, plan: Plan, results: list[ShardResult], staging: Path, recipe: dict[str, Any]) -> Manifest:
    """Join the index, write the drops and, last, the manifest."""
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
    return {"dataset": files.dataset, "split": files.split, "source_id": drop.source_id, "reason": drop.reason}


def swap(staging: Path, target: Path) -> None:
    """Replace an earlier build by the finished folder; `recover` repairs a kill between the two renames."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.replace(staging / OLD)
    (staging / WHOLE).replace(target)
    shutil.rmtree(staging)
