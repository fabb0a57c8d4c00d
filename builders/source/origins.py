"""Where the bytes of a build come from: entries of the manifest and of `build --dry-run`."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ib_data.builders.source.files import Files
from ib_data.builders.source.folders import SourceFolders


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The origin of one kind of input: the file of a role, or `num_files` images or clips of a media store (0: not
    known yet).

    `place` is relative to `--source` or the downloads, never a path of this machine; `why` says why it was chosen.
    """

    what: str
    place: str
    why: str
    num_files: int = 1

    def plain(self) -> dict[str, Any]:
        """The origin for JSON."""
        return asdict(self)


def origins_of_files(files: Files, folders: SourceFolders) -> list[Origin]:
    """The origins of annotation files."""
    return [
        Origin(
            what=role,
            place=_shown(found.path, folders) + (f":{found.member}" if found.member else ""),
            why=f"--source, {found.why}" if folders.holds(found.path) else found.why,
        )
        for role, found in files.located.items()
    ]


def origins_of_media(taken: Counter[tuple[str, Path, str]], folders: SourceFolders) -> list[Origin]:
    """The origins of images and clips, counted by (store, archive or folder, why)."""
    return [
        Origin(what=store, place=_shown(path, folders), why=why, num_files=count)
        for (store, path, why), count in sorted(taken.items(), key=lambda item: (item[0][0], str(item[0][1])))
    ]


def joined(origins: Iterable[Origin]) -> tuple[Origin, ...]:
    """The origins with equal ones merged, their files added up."""
    counts: Counter[Origin] = Counter()
    for origin in origins:
        counts[replace(origin, num_files=0)] += origin.num_files
    return tuple(replace(origin, num_files=count) for origin, count in counts.items())


def _shown(path: Path, folders: SourceFolders) -> str:
    return folders.shown(path) if folders.holds(path) else path.name
