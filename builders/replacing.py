"""What stands where a build would go: whether it is this build already, and whether this build may take its place."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ib_data.builders.fetch import sha256_of
from ib_data.builders.kinds import kind_of
from ib_data.builders.manifest import DROPS, INDEX, MANIFEST, Manifest, UnreadableError, read_manifest
from ib_data.builders.options import Options
from ib_data.cards import load_card
from ib_data.console import note
from ib_data.errors import DataError
from ib_data.home import Home

# What only a finished plan tells. Versions decide no more than whether staged shards are used again.
_OF_THE_PLAN, _OF_THE_MACHINE = "plan_sha256", "versions"


def earlier_build(target: Path, dataset: str, options: Options) -> Manifest | None:
    """The manifest of an earlier build; one that is damaged is as none, but for the miniature.

    What that would replace may be official data. One without a sample is as none, too.
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
    """Whether an earlier build is this one, and whole; one of which a file was lost or altered is built again.

    A recipe without a `plan_sha256` is of a build that is not planned yet: it must hold all that decides the plan, and
    the versions of the code are among that.
    """
    old, new = dict(earlier.recipe), dict(recipe)
    if _OF_THE_PLAN in recipe:
        old, new = _identity(old), _identity(new)
    else:
        old.pop(_OF_THE_PLAN, None)
    if old != new:
        return False
    lost = earlier.missing(folder) or next(_altered(earlier, folder), None)
    if lost:
        note(f"{earlier.dataset}/{earlier.split}: {lost} is missing or damaged; building again")
    return lost is None


def _altered(earlier: Manifest, folder: Path) -> Iterator[str]:
    """The files that are of another checksum; only shards that are newer than the manifest are hashed.

    `ib-data check` makes one newer that it finds altered.
    """
    for name, expected in ((INDEX, earlier.index_sha256), (DROPS, earlier.drops_sha256)):
        if sha256_of(folder / name) != expected:
            yield name
    written_ns = (folder / MANIFEST).stat().st_mtime_ns
    for shard in earlier.shards:
        path = folder / shard.name
        if path.stat().st_mtime_ns > written_ns and sha256_of(path) != shard.sha256:
            yield shard.name


def media_as_before(home: Home, earlier: Manifest, seen: str | None) -> bool:
    """Whether all images and clips come from where they came from, so that only the rest of the recipe can differ.

    `seen` is a digest of the files that hold them, by path, size and time; None where it is not known before planning.
    It stands beside the build, not in its manifest, which is to be the same on every machine.
    """
    if seen is None:
        return False
    try:
        kept = json.loads(_seen_file(home, earlier).read_bytes())
    except (OSError, ValueError):
        kept = None
    return seen == "" or kept == [earlier.index_sha256, seen]


def keep_media_seen(home: Home, manifest: Manifest, seen: str | None) -> None:
    """Keep the digest for `media_as_before`, once the build of `manifest` is in place or known to be as it was."""
    if seen:
        path = _seen_file(home, manifest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([manifest.index_sha256, seen]), encoding="utf-8")


def _seen_file(home: Home, manifest: Manifest) -> Path:
    return home.cache / "builds" / f"{manifest.dataset}-{manifest.split}.json"


def require_replace(
    earlier: Manifest, recipe: Mapping[str, Any], options: Options, num_annotations: int | None = None
) -> None:
    """Raise DataError where this build is worse than the one that it would replace, and `--replace` was not given.

    `num_annotations` is how many it has, None before that is known. Official data may replace the miniature, never the
    other way round.
    """
    if options.miniature and not earlier.recipe.get("miniature"):
        problem = f"{earlier.split} is built here from official files, and the miniature would replace it"
        raise DataError(earlier.dataset, problem, remedy="name another --home")
    is_first_official = bool(earlier.recipe.get("miniature")) and not options.miniature
    worse = list(_worse(earlier.recipe, recipe))
    if num_annotations is not None and num_annotations < earlier.num_annotations:
        worse.append(f"{num_annotations:,} annotations in place of {earlier.num_annotations:,}")
    if worse and not is_first_official and not options.replace:
        kind = "".join(f", {phrase}" for phrase in kind_of(earlier, load_card(earlier.dataset)))
        problem = (
            f"{earlier.split} is built here with {earlier.num_annotations:,} annotations{kind}; this build would "
            f"replace it: {', '.join(worse)}"
        )
        raise DataError(earlier.dataset, problem, remedy="replace it with --replace, or name another --home")


def _worse(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What a build by the recipe `new` has less of than one by `old`, in short phrases."""
    if not new["media"] and old.get("media"):
        yield "without media in place of media"
    if old.get("form", "") != new["form"]:
        yield f"the form {new['form'] or 'without a name'} in place of {old.get('form') or 'one without a name'}"
    if _above(old.get("max_side"), new.get("max_side")) and old.get("media") and new["media"]:
        yield f"images of at most {new['max_side']} px in place of {old.get('max_side') or 'their own size'}"
    if _above(old.get("limit"), new.get("limit")):
        yield f"limited to {new['limit']:,} in place of {old.get('limit') or 'all'}"


def _above(old: int | None, new: int | None) -> bool:
    """Whether a bound becomes tighter; None is no bound."""
    return new is not None and (old is None or old > new)


def note_replaced(earlier: Manifest, recipe: Mapping[str, Any]) -> None:
    """Say what is replaced, and what differs."""
    what = f"{earlier.dataset}/{earlier.split}"
    if earlier.recipe.get("miniature") and not recipe.get("miniature"):
        note(f"{what}: official data replace the miniature of {earlier.num_annotations:,} annotations")
        return
    old, new = _identity(earlier.recipe), _identity(recipe)
    changed = ", ".join(sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key)))
    if changed:
        note(f"{what}: replacing the earlier build of {earlier.num_annotations:,} annotations (changed: {changed})")


def _identity(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a recipe that decides the bytes of the shards."""
    return {key: value for key, value in recipe.items() if key != _OF_THE_MACHINE}
