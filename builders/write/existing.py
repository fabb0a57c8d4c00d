"""An earlier build of a split: whether it is the same as the new one, and whether it may be replaced."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ib_data.builders.write.build_options import Options
from ib_data.cards import load_card
from ib_data.cards.kinds import kind_of
from ib_data.console import count_text, note
from ib_data.errors import DataError
from ib_data.file_state import FileState, sha256_of
from ib_data.home import MANIFEST
from ib_data.stored.index import stored_counts
from ib_data.stored.manifest import DROPS, INDEX, Manifest, UnreadableError, read_manifest

# Keys of the recipe that do not affect the bytes of the shards.
_OF_THE_MACHINE = ("versions", "origins")


def earlier_build(target: Path, dataset: str, options: Options) -> Manifest | None:
    """The manifest of an earlier build; None if there is none, or it is damaged or has no sample.

    Raises DataError if the miniature would replace a damaged build, which may be official data.
    """
    try:
        earlier = read_manifest(target, dataset)
        return earlier if earlier and earlier.num_samples else None
    except UnreadableError:
        raise
    except DataError as damage:
        if options.miniature:
            raise
        note(f"{damage.problem}; building again")
        return None


def is_done(earlier: Manifest, folder: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether an earlier build has the same recipe, and every file is unchanged."""
    return _identity(earlier.recipe) == _identity(recipe) and is_whole(earlier, folder)


def is_whole(earlier: Manifest, folder: Path) -> bool:
    """Whether every file of an earlier build is unchanged; a note names the first that is not."""
    lost = earlier.missing(folder) or next(_altered(earlier, folder), None)
    if lost:
        note(f"{earlier.dataset}/{earlier.split}: {lost} is missing or damaged; building again")
    return lost is None


def _altered(earlier: Manifest, folder: Path) -> Iterator[str]:
    """The files with a wrong checksum. Only hashes shards that are newer than the manifest.

    `ib-data check` touches the shards that it finds altered, so that they are newer.
    """
    for name, expected in ((INDEX, earlier.index_sha256), (DROPS, earlier.drops_sha256)):
        if sha256_of(folder / name) != expected:
            yield name
    written = FileState.at(folder / MANIFEST)
    for shard in earlier.shards:
        path = folder / shard.name
        if FileState.at(path).is_newer_than(written) and sha256_of(path) != shard.sha256:
            yield shard.name


def require_replace(
    earlier: Manifest, recipe: Mapping[str, Any], options: Options, num_annotations: int | None = None
) -> None:
    """Raise DataError if this build holds less than the one it would replace, unless `--replace` is given.

    `num_annotations` is the number in this build, None if not known yet. Official data may replace the miniature, never
    the other way round.
    """
    if options.miniature and not earlier.recipe.get("miniature"):
        problem = f"{earlier.split} is built here from official files, and the miniature would replace it"
        raise DataError(earlier.dataset, problem, remedy="choose another --home")
    is_first_official = bool(earlier.recipe.get("miniature")) and not options.miniature
    worse = list(_worse(earlier.recipe, recipe))
    if num_annotations is not None and num_annotations < earlier.num_annotations:
        worse.append(f"{num_annotations:,} annotations instead of {earlier.num_annotations:,}")
    if worse and not is_first_official and not options.replace:
        kind = "".join(f", {phrase}" for phrase in kind_of(earlier, load_card(earlier.dataset)))
        held = count_text(earlier.num_annotations, "annotation")
        problem = f"{earlier.split} is built here with {held}{kind}; this build would replace it: {', '.join(worse)}"
        raise DataError(earlier.dataset, problem, remedy="replace it with --replace, or choose another --home")


def require_replace_damaged(target: Path, dataset: str, options: Options, num_annotations: int) -> None:
    """Raise DataError if the index of a build with a damaged manifest shows that it holds more than this build."""
    counts = stored_counts(target / INDEX)
    if counts is None:  # the index is damaged too
        return
    num_earlier, num_with_media = counts
    worse = []
    if num_annotations < num_earlier:
        worse.append(f"{num_annotations:,} annotations instead of {num_earlier:,}")
    if not options.media and num_with_media:
        worse.append("without media")
    if worse and not options.replace:
        problem = f"its manifest is damaged, and by its index this build would hold less: {', '.join(worse)}"
        remedy = "build all of it, replace it with --replace, or choose another --home"
        raise DataError(dataset, problem, file=str(target / MANIFEST), remedy=remedy)


def _worse(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """How a build with the recipe `new` holds less than one with `old`, in short phrases."""
    if not new["media"] and old.get("media"):
        yield "without media"
    if old.get("form", "") != new["form"]:
        yield f"form {new['form'] or 'unnamed'} instead of {old.get('form') or 'unnamed'}"
    if _above(old.get("max_side"), new.get("max_side")) and old.get("media") and new["media"]:
        yield f"images of at most {new['max_side']} px instead of {old.get('max_side') or 'full size'}"
    if _above(old.get("limit"), new.get("limit")):
        yield f"limited to {new['limit']:,} instead of {old.get('limit') or 'all'}"


def _above(old: int | None, new: int | None) -> bool:
    """Whether a limit becomes tighter; None means no limit."""
    return new is not None and (old is None or old > new)


def note_replaced(earlier: Manifest, recipe: Mapping[str, Any]) -> None:
    """Print a note that says what is replaced and what differs."""
    what = f"{earlier.dataset}/{earlier.split}"
    if earlier.recipe.get("miniature") and not recipe.get("miniature"):
        note(f"{what}: official data replace the miniature of {count_text(earlier.num_annotations, 'annotation')}")
        return
    old, new = _identity(earlier.recipe), _identity(recipe)
    changed = ", ".join(sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key)))
    if changed:
        held = count_text(earlier.num_annotations, "annotation")
        note(f"{what}: replacing the earlier build of {held} (changed: {changed})")


def _identity(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a recipe that decides the bytes of the shards."""
    return {key: value for key, value in recipe.items() if key not in _OF_THE_MACHINE}
