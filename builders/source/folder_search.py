"""Finding an official file in the `--source` folders.

Accepts the archive or its bare member, under the official name, gzipped or not. Files are used as they are: a wrong
checksum only gives a note, and the manifest records the actual one. An archive is preferred to a bare member, a file
with the official checksum to any other, and a file in its official folder to one elsewhere. If two different files are
left, it is an error and the user must choose.
"""

import filecmp
import hashlib
from pathlib import Path, PurePosixPath

from ib_data.builders.source.folders import Candidate, SourceFolders
from ib_data.builders.source.located import Located, unpacked, unzipped
from ib_data.builders.source.media_folders import speaks_for
from ib_data.cards import Card, SourceFile
from ib_data.errors import DataError
from ib_data.file_state import sha256_of

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


def find_in_folders(card: Card, file: SourceFile, folders: SourceFolders) -> Candidate | None:
    """The official file, or its bare member; None if neither is there. Searches once per build.

    Raises DataError if two candidates differ and neither is known to be the official one.
    """
    key = (card.name, file)
    if key not in folders.decided:
        folders.decided[key] = _find(card, file, folders)
    return folders.decided[key]


def _find(card: Card, file: SourceFile, folders: SourceFolders) -> Candidate | None:
    archive = _archive(card, file, folders)
    if file.tree:
        if archive:
            return archive
        tree = _tree(card, file, folders)
        return Candidate(tree, file.member, "the unpacked folder") if tree else None
    bare = _bare(card, file, folders) if file.member else None
    if archive and bare and not _is_known(archive.path, file):
        # A common name (`val.json`) counts as the member only beside the archive or in a folder of the dataset.
        is_ours = speaks_for(bare.path.parent, card.name, folders.roots)
        if is_ours or bare.path.parent == archive.path.parent:
            _require_equal(card, file, archive, bare)
    return archive or bare


def _archive(card: Card, file: SourceFile, folders: SourceFolders) -> Candidate | None:
    """The file under its official name; an archive must hold the member."""
    url_path = PurePosixPath(file.url.split("?")[0])
    name = PurePosixPath(file.name).name
    paths = folders.named(name) if name.endswith(_ARCHIVES) else folders.named(name, f"{name}.gz")
    found: dict[Path, str | None] = {}
    damaged: list[DataError] = []
    for path in _usable(paths):
        try:
            found[path] = _member_in(path, card, file)
        except DataError as error:  # may be another dataset's file of the same name
            damaged.append(error)
    paths = [path for path, member in found.items() if member is not None or file.member is None]
    if damaged and not found:
        raise damaged[0]
    best = _best(paths, str(url_path.with_name(name)), card, file, folders)
    return Candidate(best, found[best], "under its official name") if best else None


def _bare(card: Card, file: SourceFile, folders: SourceFolders) -> Candidate | None:
    assert file.member is not None
    name = PurePosixPath(file.member).name
    path = _best(_usable(folders.named(name, f"{name}.gz")), file.member, card, None, folders)
    return Candidate(path, None, f"the bare member of {file.name}") if path else None


def _usable(paths: list[Path]) -> list[Path]:
    """The paths that are files; empty files only if there are no others."""
    files = [path for path in paths if path.is_file()]
    return [path for path in files if path.stat().st_size] or files


def _member_in(path: Path, card: Card, file: SourceFile) -> str | None:
    """The wanted member's name in an archive: as on the card, or with one folder more or less; None without it."""
    if file.member is None:
        return None
    from ib_data.builders.source.archives.archive import open_archive

    members = open_archive(path, card.name).members
    if file.tree:
        folder, name = file.tree
        return file.member if any(m.startswith(f"{folder}/") and m.endswith(f"/{name}") for m in members) else None
    if file.member in members:
        return file.member
    name = PurePosixPath(file.member).name
    others = [member for member in members if member == name or member.endswith((f"/{file.member}", f"/{name}"))]
    if len(others) > 1:
        problem = f"holds no member {file.member!r}, but {others[0]!r} and {others[1]!r}"
        raise DataError(card.name, problem, file=str(path), remedy="unpack the right one and name it with --source")
    return others[0] if others else None


def _best(paths: list[Path], official: str, card: Card, file: SourceFile | None, folders: SourceFolders) -> Path | None:
    """The path with the official checksum, else the path whose folders match the official ones best."""
    if len(paths) < 2:
        return paths[0] if paths else None
    if file and (known := next((path for path in paths if _is_known(path, file)), None)):
        return known
    parts = PurePosixPath(official).parts
    ranks = {path: _rank(path, parts, card, folders) for path in paths}
    first, *others = (path for path in paths if ranks[path] == min(ranks.values()))
    for other in others:
        if not _same(first, other):
            problem = f"two different files of this name: {first} and {other}"
            raise DataError(card.name, problem, file=parts[-1], remedy="name the right folder or file with --source")
    return first


def _is_known(path: Path, file: SourceFile) -> bool:
    """Whether a file has the official checksum; a file of another size is not hashed."""
    if file.sha256 is None or file.num_bytes not in (None, path.stat().st_size):
        return False
    return sha256_of(path) == file.sha256


def _rank(path: Path, parts: tuple[str, ...], card: Card, folders: SourceFolders) -> tuple[int, int]:
    same = 0
    own_parts = (*path.parts[:-1], path.name.removesuffix(".gz"))
    for own, official in zip(reversed(own_parts), reversed(parts), strict=False):
        if own != official:
            break
        same += 1
    return -same, {True: 0, None: 1, False: 2}[speaks_for(path.parent, card.name, folders.roots)]


def _same(one: Path, other: Path) -> bool:
    """Whether two files hold the same bytes, gzipped or not. Compares in pieces, since they may be large archives."""
    if one.suffix != other.suffix:
        return _plain(one) == _plain(other)
    return one.samefile(other) or filecmp.cmp(one, other, shallow=False)


def _plain(path: Path) -> bytes:
    return unzipped(path, path.name) if path.suffix == ".gz" else path.read_bytes()


def _require_equal(card: Card, file: SourceFile, archive: Candidate, bare: Candidate) -> None:
    if located_at(file, bare).read(card.name) != located_at(file, archive).read(card.name):
        problem = f"differs from the member {archive.member!r} of {archive.path}, which is not the official archive"
        remedy = "name only the right one with --source"
        raise DataError(card.name, problem, file=str(bare.path), remedy=remedy)


def _tree(card: Card, file: SourceFile, folders: SourceFolders) -> Path | None:
    """The unpacked folder with the loose files that the pattern of `file` matches."""
    assert file.tree is not None
    official = PurePosixPath(file.tree[0])
    found = {
        next(folder for folder in path.parents if folder.name == official.name)
        for path in folders.named(file.tree[1])
        if official.name in path.parent.parts
    }
    ranks = {folder: _rank(folder, official.parts, card, folders) for folder in found}
    best = [folder for folder in sorted(found) if ranks[folder] == min(ranks.values())]
    if len(best) > 1 and len({sha256_of_tree(unpacked(folder, file)) for folder in best}) > 1:
        problem = f"two different folders {official.name!r}: {best[0]} and {best[1]}"
        raise DataError(card.name, problem, file=file.name, remedy="name the right one with --source")
    return best[0] if best else None


def located_at(file: SourceFile, found: Candidate) -> Located:
    """A found file with its checksum, or with one checksum over its unpacked tree."""
    path = found.path
    digest = sha256_of(path) if path.is_file() else sha256_of_tree(unpacked(path, file))
    return Located(file=file, path=path, member=found.member, sha256=digest, why=found.why)


def sha256_of_tree(files: dict[str, Path]) -> str:
    """One checksum over the files of a tree, by their names."""
    lines = (f"{sha256_of(path)}  {name}\n" for name, path in files.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()
