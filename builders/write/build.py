"""Building a dataset: locate its files, plan its samples, write shards, and move the result into place.

Everything is written into `HOME/staging/DATASET/SPLIT` and renamed to `HOME/shards` after its manifest is written. So
splits in `HOME/shards` are always complete, and an earlier build stays readable until then.
"""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import PIL
import pyarrow
import simplejpeg
from filelock import FileLock, Timeout

from ib_data import __version__
from ib_data.builders.all import builder_of
from ib_data.builders.source.files import Files
from ib_data.builders.source.official_files import files_of
from ib_data.builders.source.origins import origins_of_files
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.builders.write.existing import (
    earlier_build,
    is_done,
    is_whole,
    note_replaced,
    require_replace,
    require_replace_damaged,
)
from ib_data.builders.write.placing import MISSING, with_media, without_repeated
from ib_data.builders.write.plan import OTHER_SIZE, UNREADABLE, EmptySplitError, Plan, group, make_plan, within_limit
from ib_data.builders.write.split_choice import chosen_splits, warn_of_mixed_forms
from ib_data.builders.write.staging import WHOLE, finish, prepare, recover, swap, write_all
from ib_data.builders.write.unchanged import fingerprint, is_unchanged, remember
from ib_data.cards import Card
from ib_data.cards.kinds import drops_in_words
from ib_data.console import debug, note
from ib_data.errors import DataError, IbDataError
from ib_data.home import MANIFEST
from ib_data.stored.index import drop_counts
from ib_data.stored.manifest import DROPS, Manifest

FORMAT = 1  # of shards and index; increased when their bytes change, so that everything is built again


class NothingKeptError(DataError):
    """No row of the source can be used. Nothing is built, and an earlier build stays."""


def build_dataset(card: Card, build: Build, split: str | None = None) -> list[Manifest]:
    """Build one split, or the default splits of the card; returns their manifests.

    With `--source` and no `split`: the default splits whose files are there, else any splits whose files are there. A
    default split without rows in the source (a subset of the official file), or without kept rows, is left out with a
    note; if all are, it is an error.
    """
    form, names = chosen_splits(card, build, split)
    manifests = []
    left_out: list[DataError] = []
    for name in names:
        try:
            manifests.append(build_split(card, name, form, build))
        except (EmptySplitError, NothingKeptError) as error:
            left_out.append(error)
    last = left_out.pop() if left_out and not manifests else None
    for each in left_out:
        note(f"left out: {each}")
    if last:
        raise last
    warn_of_mixed_forms(card, form, build.home)
    return manifests


def build_split(card: Card, split: str, form: str | None, build: Build) -> Manifest:
    """Build one split, or return its manifest if it is already built with the same recipe."""
    if not files_of(card, split, form):
        raise IbDataError(f"{card.name}: the {form} form of the source has no split {split!r}")
    if build.options.miniature:
        from ib_data.builders.miniature.mirror import require_writer

        require_writer(card.name)
    build.home.mark()
    build.home.lock(card.name).parent.mkdir(exist_ok=True)
    with _waiting(build.home.lock(f"{card.name}-{split}"), f"{card.name}/{split}"):
        target, staging = build.home.split(card.name, split), build.home.staging(card.name, split)
        recover(staging, target)
        earlier = earlier_build(target, card.name, build.options)
        seen = fingerprint(card, split, form, build)
        is_same = earlier is not None and is_unchanged(build.home, earlier, seen)
        if earlier and is_same and is_whole(earlier, target):
            debug(f"{card.name}/{split}: nothing has changed since it was built")
            return _kept(earlier, seen, build)
        # If only the build itself differs, it is damaged, and `is_whole` has said so.
        return _build_over(earlier, card, build, build.files(card, split, form), is_damaged=is_same)


def _build_over(earlier: Manifest | None, card: Card, build: Build, files: Files, is_damaged: bool) -> Manifest:
    """Plan and write a split, unless the plan shows that `earlier` is the same build."""
    options, target = build.options, build.home.split(card.name, files.split)
    staging = build.home.staging(card.name, files.split)
    recipe = _recipe(files, options)
    if earlier:
        require_replace(earlier, recipe, options)
    plan = _plan(card, files, build)
    plan_sha256, shard_sha256s = plan.checksums(options.samples_per_shard)
    origins = [origin.plain() for origin in (*origins_of_files(files, build.folders), *plan.origins)]
    recipe = {**recipe, "plan_sha256": plan_sha256, "origins": origins}
    if earlier:
        if not is_damaged and is_done(earlier, target, recipe):
            return _kept(earlier, fingerprint(card, files.split, files.form, build), build)
        require_replace(earlier, recipe, options, plan.num_annotations)
        note_replaced(earlier, recipe)
    elif (target / MANIFEST).exists():
        require_replace_damaged(target, card.name, options, plan.num_annotations)
    prepare(staging, recipe)
    results = write_all(plan, shard_sha256s, staging, options, f"{card.name}/{files.split}")
    manifest = finish(files, plan, results, staging, recipe)
    if not manifest.num_samples:
        raise _nothing_kept(manifest, staging / WHOLE / DROPS)
    if earlier:
        require_replace(earlier, recipe, options, manifest.num_annotations)
    swap(staging, target)
    remember(
        build.home, manifest, fingerprint(card, files.split, files.form, build)
    )  # again: it includes fetched files
    build.report(manifest, True)
    return manifest


def _kept(earlier: Manifest, seen: str | None, build: Build) -> Manifest:
    """Report an existing build and return its manifest."""
    shutil.rmtree(build.home.staging(earlier.dataset, earlier.split), ignore_errors=True)
    remember(build.home, earlier, seen)
    build.report(earlier, False)
    return earlier


def _nothing_kept(manifest: Manifest, drops: Path) -> NothingKeptError:
    counts = drop_counts(drops)
    problem = f"no row is kept, so nothing is built: {drops_in_words(counts)}"
    of_media = all(reason in (MISSING, UNREADABLE, OTHER_SIZE) for reason in counts)
    hint = "are these the images of it" if of_media else "is this the file of another split or dataset"
    remedy = f"{hint}? {drops} lists each row with the reason"
    return NothingKeptError(manifest.dataset, problem, file=manifest.split, remedy=remedy)


def _plan(card: Card, files: Files, build: Build) -> Plan:
    options = build.options
    images, drops = group(files, builder_of(card)(files), card.splits[files.split])
    plan = make_plan(files, images, drops)
    if options.media:
        located = {found.file.name: found.path for found in files.located.values()}
        plan = with_media(plan, build.folders, build.fetcher, options, located)
    else:
        plan = Plan(plan.samples[: options.limit], plan.drops)
    return without_repeated(within_limit(files, plan, options.limit), options)


def _waiting(path: Path, what: str) -> FileLock:
    """A lock; prints a note if another build holds it."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
        lock.release()
    except Timeout:
        note(f"{what}: another build of it is running; waiting")
    return lock


def _recipe(files: Files, options: Options) -> dict[str, Any]:
    """Everything that decides the bytes of the shards and is known before planning; the plan adds its checksum."""
    chosen = asdict(options)
    del chosen["workers"], chosen["replace"], chosen["mini_size"]
    versions = {"ib_data": __version__, "pillow": PIL.__version__, "pyarrow": pyarrow.__version__}
    versions["simplejpeg"] = simplejpeg.__version__
    return {
        "format": FORMAT,
        "form": files.form or "",
        **{key: value for key, value in chosen.items() if value is not None},
        "sources": files.provenance(),
        "versions": versions,
    }
