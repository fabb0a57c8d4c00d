"""Building a dataset: locate its files, plan its samples, write shards, and put the whole in place by one rename.

Everything is written into `HOME/staging/DATASET/SPLIT` and moves to `HOME/shards` when its manifest is written, so that
what stands there is always whole, and an earlier build stays readable until then.
"""

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import PIL
import pyarrow
from filelock import FileLock, Timeout

from ib_data import __version__
from ib_data.builders.all import BUILDERS
from ib_data.builders.fetch import Fetcher, sha256_of
from ib_data.builders.files import Files
from ib_data.builders.hub import hub_files
from ib_data.builders.manifest import INDEX, MANIFEST, Manifest, UnreadableError, read_manifest, survey
from ib_data.builders.options import Options
from ib_data.builders.plan import EmptySplitError, Plan, group, make_plan, with_media
from ib_data.builders.sources import SourceFolders, files_of, find_in_folders, resolve
from ib_data.builders.staging import finish, prepare, recover, swap, write_all
from ib_data.cards import Card
from ib_data.console import note
from ib_data.errors import DataError, IbDataError
from ib_data.home import Home

FORMAT = 1  # of shards and index; raised when a change alters their bytes, and then everything is built anew


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
    manifests, _ = survey(home)
    for other in manifests:
        if other.dataset == card.name and other.recipe.get("form") != (form or ""):
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
        plan = make_plan(files, images, drops)
        options = build.options
        if options.media:
            sources = (build.folders, build.fetcher)
            plan = with_media(plan, *sources, allow_missing=options.allow_missing, limit=options.limit)
        else:
            plan = Plan(plan.samples[: options.limit], plan.drops)
        plan_sha256, shard_sha256s = plan.checksums(options.samples_per_shard)
        recipe = _recipe(files, plan_sha256, options)
        target, staging = build.home.split(card.name, split), build.home.staging(card.name, split)
        recover(staging, target)
        earlier = _earlier(target, card.name, options)
        if earlier and _is_done(earlier, target, recipe):
            shutil.rmtree(staging, ignore_errors=True)
            return earlier
        if earlier:
            _replacing(earlier, recipe, options)
        prepare(staging, recipe)
        results = write_all(plan, shard_sha256s, staging, options, f"{card.name}/{split}")
        manifest = finish(files, plan, results, staging, recipe)
        swap(staging, target)
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


def _recipe(files: Files, plan_sha256: str, options: Options) -> dict[str, Any]:
    chosen = asdict(options)
    del chosen["workers"]
    versions = {"ib_data": __version__, "pillow": PIL.__version__, "pyarrow": pyarrow.__version__}
    return {
        "format": FORMAT,
        "form": files.form or "",
        **{key: value for key, value in chosen.items() if value is not None},
        "sources": files.provenance(),
        "plan_sha256": plan_sha256,
        "versions": versions,
    }


def _earlier(target: Path, dataset: str, options: Options) -> Manifest | None:
    """The manifest of an earlier build; one that is damaged is as none, but for the miniature.

    What that would replace may be official data.
    """
    try:
        return read_manifest(target, dataset)
    except UnreadableError:
        raise
    except DataError as damage:
        if options.miniature:
            raise
        note(f"{damage.problem}; building again")
        return None


def _is_done(earlier: Manifest, folder: Path, recipe: dict[str, Any]) -> bool:
    """Whether an earlier build is this one, and whole; one that lost a file is built again."""
    if _identity(earlier.recipe) != _identity(recipe):
        return False
    lost = earlier.missing(folder) or next(_altered(earlier, folder), None)
    if lost:
        note(f"{earlier.dataset}/{earlier.split}: {lost} is missing or damaged; building again")
    return lost is None


def _altered(earlier: Manifest, folder: Path) -> Iterator[str]:
    """The index and shards that are of another checksum; only shards that are newer than the manifest are hashed."""
    if sha256_of(folder / INDEX) != earlier.index_sha256:
        yield INDEX
    written_ns = (folder / MANIFEST).stat().st_mtime_ns
    for shard in earlier.shards:
        path = folder / shard.name
        if path.stat().st_mtime_ns > written_ns and sha256_of(path) != shard.sha256:
            yield shard.name


def _replacing(earlier: Manifest, recipe: dict[str, Any], options: Options) -> None:
    """Refuse to replace official data by the miniature, and say what else is replaced and why."""
    what = f"{earlier.dataset}/{earlier.split}"
    if options.miniature and not earlier.recipe.get("miniature"):
        problem = f"{earlier.split} is built here from official files, and the miniature would replace it"
        raise DataError(earlier.dataset, problem, remedy="name another --home")
    old, new = _identity(earlier.recipe), _identity(recipe)
    changed = ", ".join(sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key)))
    if changed:
        note(f"{what}: replacing the earlier build of {earlier.num_annotations:,} annotations (changed: {changed})")


def _identity(recipe: Any) -> dict[str, Any]:
    """The part of a recipe that decides the bytes of the shards."""
    return {key: value for key, value in recipe.items() if key != "versions"}
