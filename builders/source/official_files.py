"""The official files of a split: found in `--source` folders (see `folder_search`), or fetched."""

from pathlib import PurePosixPath

from ib_data.builders.source.files import Files
from ib_data.builders.source.folder_search import find_in_folders, located_at
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.located import Located
from ib_data.builders.source.near_misses import near_names
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.cards import Card, Gate, SourceFile
from ib_data.console import note, size_text
from ib_data.errors import DataError


def locate(card: Card, file: SourceFile, folders: SourceFolders, fetcher: Fetcher) -> Located:
    """The file in a `--source` folder, else fetched; DataError if a person must fetch it."""
    found = find_in_folders(card, file, folders)
    if found is None:
        if card.gate and is_closed(card.gate, file, fetcher):
            raise gate_error(card.name, card.gate, file, fetcher)
        path = fetcher.fetch(file, card.name)
        return Located(file=file, path=path, member=file.member, sha256=fetcher.sha256(file), why="fetched")
    located = located_at(file, found)
    is_whole = found.path.is_file() and (found.member is not None or file.member is None)
    if is_whole and file.sha256 not in (None, located.sha256):
        what = f"(sha256 {located.sha256}, official {file.sha256})"
        note(f"{card.name}: {found.path} is not the official file {what}; used as it is")
    return located


def is_closed(gate: Gate | None, file: SourceFile | None, fetcher: Fetcher) -> bool:
    """Whether a person must fetch a gated file: it is not here, and there is no mirror.

    `file` is None for media that are single files.
    """
    return gate is not None and (fetcher.mirror is None if file is None else not fetcher.reaches(file))


def gate_error(dataset: str, gate: Gate, file: SourceFile | None, fetcher: Fetcher) -> DataError:
    """The error that says how to get a gated file and where to put it; `file` is None for single media files."""
    problem = f"must be fetched by hand ({gate.kind}): {gate.where}"
    remedy = f"put {gate.lay_down} into a folder and name it with --source"
    if file is None:
        return DataError(dataset, problem, remedy=f"{remedy} (or build with --no-media)")
    return DataError(dataset, problem, file=file.name, remedy=f"{remedy}, or put this file at {fetcher.place(file)}")


def files_of(card: Card, split: str, form: str | None) -> list[SourceFile]:
    """The files of the card that a build of one split in one form reads."""
    return [f for f in card.files if f.split in (None, split) and f.form in (None, form)]


def resolve(card: Card, split: str, form: str | None, folders: SourceFolders, fetcher: Fetcher) -> Files:
    """Locate all files of one split; fetches missing ones, after a note.

    An optional file is not fetched if `--source` holds the others; a note says so.
    """
    files = files_of(card, split, form)
    found = {file: find_in_folders(card, file, folders) is not None for file in files}
    from_source = any(is_there for file, is_there in found.items() if not file.optional)
    located = {}
    for file, is_there in found.items():
        if file.optional and from_source and not is_there:
            note(f"{card.name}: {file.name} ({file.role}) is not in --source; built without it")
            continue
        if folders.roots and not is_there:
            note(f"{lacks(card, [file], folders)}; {what_is_fetched(file, fetcher)}")
        located[file.role] = locate(card, file, folders, fetcher)
    return Files(dataset=card.name, split=split, form=form, located=located)


def at_hand(
    card: Card, split: str, form: str | None, folders: SourceFolders, fetcher: Fetcher
) -> tuple[Files, list[SourceFile]]:
    """The files of a split that are here, and those that `resolve` would fetch. Fetches and writes nothing."""
    lacking = not_at_hand(card, split, form, folders, fetcher)
    located = {}
    for file in files_of(card, split, form):
        if candidate := find_in_folders(card, file, folders):
            located[file.role] = located_at(file, candidate)
        elif fetcher.has(file):
            path = fetcher.place(file)
            located[file.role] = Located(file=file, path=path, member=file.member, sha256="", why="fetched")
    return Files(dataset=card.name, split=split, form=form, located=located), lacking


def not_at_hand(card: Card, split: str, form: str | None, folders: SourceFolders, fetcher: Fetcher) -> list[SourceFile]:
    """The files of a split that `resolve` would fetch. Reads no file."""
    found = {file: find_in_folders(card, file, folders) for file in files_of(card, split, form)}
    from_source = any(candidate for file, candidate in found.items() if not file.optional)
    return [
        file
        for file, candidate in found.items()
        if not candidate and not fetcher.has(file) and not (file.optional and from_source)
    ]


def lacks(card: Card, files: list[SourceFile], folders: SourceFolders) -> str:
    """A message that `--source` lacks some files: the expected names, the folders, and near misses."""
    wanted = dict.fromkeys(_in_words(file) for file in files)
    official = {name for file in card.files for name in _names(file)}
    names = [name for name in folders.names() if name not in official]
    near = near_names((name for file in files for name in _names(file)), names, card.not_read)
    near += [line for file in files for line in _without_member(card, file, folders)]
    hint = f"; near: {', '.join(dict.fromkeys(near))}" if near else ""
    return f"{card.name}: --source {folders} lacks {', '.join(wanted)}{hint}"


def _in_words(file: SourceFile) -> str:
    first, *others = _names(file)
    return f"{first} (in {others[0]} or bare)" if others else first


def _names(file: SourceFile) -> list[str]:
    name = PurePosixPath(file.name).name
    return [name] if file.member is None or file.tree else [PurePosixPath(file.member).name, name]


def _without_member(card: Card, file: SourceFile, folders: SourceFolders) -> list[str]:
    """The archives with the file's name that lack the member, each with an example of what they hold."""
    if file.member is None:
        return []
    from ib_data.builders.source.archives.archive import open_archive

    found = []
    for path in folders.named(PurePosixPath(file.name).name):
        try:
            members = open_archive(path, card.name).members
        except DataError:
            found.append(f"{path}, which cannot be opened")
        else:
            found.append(f"{path}, which holds {next(iter(members), 'nothing')}")
    return found


def what_is_fetched(file: SourceFile, fetcher: Fetcher) -> str:
    """What `fetch` will do for a file, in words: use the earlier download, or fetch how many bytes from where."""
    if fetcher.place(file).exists():
        return f"reading {file.name} as fetched before"
    size = size_text(file.num_bytes) if file.num_bytes else "of unknown size"
    return f"fetching {file.name}, {size}, from {'the mirror' if fetcher.mirror else file.url}"
