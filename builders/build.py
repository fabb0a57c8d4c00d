"""Building a dataset: locate its files, plan its samples, write shards, and put the whole in place by one rename.

Everything is written into `HOME/staging/DATASET/SPLIT`: what will stay into `whole`, what only the build needs into
`parts`. A run that is killed leaves finished shards there, and the same command goes on with them. `whole` moves to
`HOME/shards` when its manifest is written, so that what stands there is always whole, and an earlier build stays
readable until then.
"""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from tqdm import tqdm

from ib_data import __version__
from ib_data.builders import BUILDERS
from ib_data.builders.fetch import Fetcher, sha256_of
from ib_data.builders.files import Files
from ib_data.builders.hub import hub_files
from ib_data.builders.index import DROPS_SCHEMA, SCHEMA, write_table
from ib_data.builders.manifest import DROPS, INDEX, Manifest, read_manifest
from ib_data.builders.plan import EmptySplitError, Plan, Planned, group, make_plan, with_media
from ib_data.builders.rows import Drop
from ib_data.builders.shards import ShardJob, ShardResult, finished, rows_file, write_shard
from ib_data.builders.sources import SourceFolders, files_of, find_in_folders, resolve
from ib_data.cards import Card
from ib_data.console import note
from ib_data.errors import DataError, IbDataError
from ib_data.home import Home

FORMAT = 1  # of shards and index; raised when a change alters their bytes, and then everything is built anew
SAMPLES_PER_SHARD = 1000
WHOLE, PARTS, OLD = "whole", "parts", "old"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may choose about a build. `limit` in samples a split, `max_side` in pixels."""

    media: bool = True
    allow_missing: bool = False
    max_side: int | None = None
    limit: int | None = None
    workers: int = 1
    miniature: bool = False
    samples_per_shard: int = SAMPLES_PER_SHARD


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One run of the builder: where to, from where, and how."""

    home: Home
    fetcher: Fetcher
    folders: SourceFolders
    options: Options
    from_hub: bool = False

    def files(self, card: Card, split: str, form: str | None) -> Files:
        """The official files of one split, or the rows of its hub mirror."""
        if self.from_hub:
            return hub_files(card, split, self.fetcher)
        return resolve(card, split, form, self.folders, self.fetcher)


def build_dataset(card: Card, build: Build, split: str | None = None) -> list[Manifest]:
    """Build one split, or the default splits of the card; returns their manifests.

    With `--source` and no split: those default splits whose files are there, else any splits whose files are there. A
    default split of which a source file holds no row (a subset of the official file) is named and left out.
    """
    if split is not None and split not in card.splits:
        raise IbDataError(f"{card.name} has no split {split!r}; it has {', '.join(card.splits)}")
    form = _form(card, build.folders)
    names = [split] if split else _default_splits(card, form, build.folders)
    manifests = []
    for name in names:
        try:
            manifests.append(build_split(card, name, form, build))
        except EmptySplitError as error:
            if not manifests and name == names[-1]:
                raise
            note(f"left out: {error}")
    _warn_of_mixed_forms(card, form, build.home)
    return manifests


def _warn_of_mixed_forms(card: Card, form: str | None, home: Home) -> None:
    """Say so where another split was built from another form: their splits may share images (COCO's 2014 and 2017)."""
    others = [m for name in card.splits if (m := read_manifest(home.split(card.name, name), card.name))]
    for other in others:
        if other.recipe.get("form") != (form or ""):
            note(
                f"{card.name}: {other.split} here is of the {other.recipe.get('form')} form, not {form}: build it again"
            )


def _form(card: Card, folders: SourceFolders) -> str | None:
    """The first form of the source with a file in the `--source` folders, else the card's preferred one."""
    for form in card.forms:
        if any(find_in_folders(card, file, folders)[0] for file in card.files if file.form == form):
            return form
    return card.forms[0] if card.forms else None


def _default_splits(card: Card, form: str | None, folders: SourceFolders) -> list[str]:
    defaults = [split.name for split in card.splits.values() if split.default and files_of(card, split.name, form)]
    there = [name for name in card.splits if _is_there(card, name, form, folders)]
    return [name for name in defaults if name in there] or there or defaults


def _is_there(card: Card, split: str, form: str | None, folders: SourceFolders) -> bool:
    needed = [file for file in files_of(card, split, form) if not file.optional]
    return bool(needed) and all(find_in_folders(card, file, folders)[0] for file in needed)


def build_split(card: Card, split: str, form: str | None, build: Build) -> Manifest:
    """Build one split, or return its manifest where the same recipe has built it already."""
    if not files_of(card, split, form):
        raise IbDataError(f"{card.name}: the {form} form of the source has no split {split!r}")
    build.home.lock(card.name).parent.mkdir(parents=True, exist_ok=True)
    with _waiting(build.home.lock(f"{card.name}-{split}"), f"{card.name}/{split}"):
        files = build.files(card, split, form)
        images, drops = group(files, BUILDERS[card.name](files), card.splits[split])
        plan = make_plan(files, images, drops, build.options.limit)
        if build.options.media:
            plan = with_media(plan, build.folders, build.fetcher, build.options.allow_missing)
        recipe = _recipe(files, plan, build.options)
        target = build.home.split(card.name, split)
        earlier = read_manifest(target, card.name)
        if earlier and _identity(earlier.recipe) == _identity(recipe):
            return earlier
        if earlier and build.options.miniature and not earlier.recipe.get("miniature"):
            problem = f"{split} is built here from official files, and the miniature would replace it"
            raise DataError(card.name, problem, remedy="name another --home")
        staging = _prepare(build.home.staging(card.name, split), recipe)
        results = _write_all(plan, staging, build.options, f"{card.name}/{split}")
        manifest = _finish(files, plan, results, staging, recipe)
        _swap(staging, target)
        return manifest


def _waiting(path: Path, what: str) -> FileLock:
    """A lock that says so when another build holds it."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
        lock.release()
    except Timeout:
        note(f"{what}: another build is at work on it; waiting")
    return lock


def _recipe(files: Files, plan: Plan, options: Options) -> dict[str, Any]:
    chosen = asdict(options)
    del chosen["workers"]
    versions = {"ib_data": __version__, "pyarrow": pyarrow.__version__}
    return {
        "format": FORMAT,
        "form": files.form or "",
        **{key: value for key, value in chosen.items() if value is not None},
        "sources": files.provenance(),
        "plan_sha256": plan.sha256(),
        "versions": versions,
    }


def _identity(recipe: Any) -> dict[str, Any]:
    """The part of a recipe that decides the bytes of the shards."""
    return {key: value for key, value in recipe.items() if key != "versions"}


def _prepare(staging: Path, recipe: dict[str, Any]) -> Path:
    """The staging folder with the shards of an earlier run of the same recipe, else empty."""
    begun = staging / PARTS / "recipe.json"
    text = json.dumps(recipe, indent=1, sort_keys=True)
    if not begun.exists() or begun.read_text(encoding="utf-8") != text:
        shutil.rmtree(staging, ignore_errors=True)
        (staging / WHOLE).mkdir(parents=True)
        (staging / PARTS).mkdir()
        begun.write_text(text, encoding="utf-8")
    return staging


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


def _write_all(plan: Plan, staging: Path, options: Options, what: str) -> list[ShardResult]:
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
        finally:
            for future in futures:
                future.cancel()


def _finish(files: Files, plan: Plan, results: list[ShardResult], staging: Path, recipe: dict[str, Any]) -> Manifest:
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


def _swap(staging: Path, target: Path) -> None:
    """Put the finished folder in place of an earlier build."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        shutil.rmtree(staging / OLD, ignore_errors=True)
        target.replace(staging / OLD)
    (staging / WHOLE).replace(target)
    shutil.rmtree(staging)
