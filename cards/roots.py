"""Where datasets are found: in the package, in your own folders, and in installed packages.

Your own folders are listed in IB_DATA_DATASETS (`--datasets` sets it for the process and its workers). Installed
packages are found by an entry point of the group `ib_data.datasets`. Both have the same layout: `NAME.md` is a card and
`NAME.py` its builder, `media.toml` lists media stores, `templates/TASK.toml` replaces the packaged templates for these
datasets, and `mixtures/NAME.toml` is a mixture.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files as package_files
from importlib.resources.abc import Traversable
from pathlib import Path

from ib_data.errors import IbDataError

VARIABLE = "IB_DATA_DATASETS"
GROUP = "ib_data.datasets"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def outside_folders() -> tuple[Path, ...]:
    """The folders outside the package, those of IB_DATA_DATASETS first; IbDataError for a missing one."""
    return _folders(os.environ.get(VARIABLE, ""), tuple(sys.path))


def use_folders(folders: Iterable[Path]) -> str | None:
    """Set IB_DATA_DATASETS to `folders`, for this process and its children; returns the previous value."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = os.pathsep.join(str(folder.absolute()) for folder in folders)
    return before


def card_files() -> Mapping[str, Traversable]:
    """The file of every card, packaged or not, by dataset name; IbDataError if two have the same name."""
    return _found("cards", ".md", "", outside_folders())


def mixture_files() -> Mapping[str, Traversable]:
    """The file of every mixture, packaged or not, by name; IbDataError if two have the same name."""
    return _found("mixtures", ".toml", "mixtures", outside_folders())


def media_files() -> tuple[Traversable, ...]:
    """The files that list media stores, the packaged one first."""
    own = (folder / "media.toml" for folder in outside_folders())
    return (package_files("ib_data.cards").joinpath("media.toml"), *(path for path in own if path.is_file()))


def own_files() -> Iterator[Path]:
    """Every file outside the package that the catalog depends on."""
    for folder in outside_folders():
        for pattern in ("*.md", "*.toml", "templates/*.toml", "mixtures/*.toml"):
            yield from sorted(folder.glob(pattern))


def folder_of(dataset: str) -> Path | None:
    """The folder outside the package that holds the card of a dataset; None for a packaged one."""
    file = card_files()[dataset]
    return next((folder for folder in outside_folders() if folder / f"{dataset}.md" == file), None)


def shown(file: Traversable, package: str) -> str:
    """The name of a file in messages: `cards/vsr.md` if it is packaged, else its path."""
    is_packaged = package_files(f"ib_data.{package}").joinpath(file.name) == file
    return f"{package}/{file.name}" if is_packaged else str(file)


@cache
def _folders(variable: str, path: tuple[str, ...]) -> tuple[Path, ...]:
    named = [Path(name).absolute() for name in variable.split(os.pathsep) if name]
    for folder in named:
        if not folder.is_dir():
            raise IbDataError(
                f"{folder} is not a folder; name a folder of cards and builders (--datasets or {VARIABLE})"
            )
    return tuple(dict.fromkeys([*named, *_entry_points(path)]))


@cache
def _found(package: str, suffix: str, within: str, folders: tuple[Path, ...]) -> Mapping[str, Traversable]:
    """Files by their names without `suffix`, sorted."""
    found: dict[str, Traversable] = {}
    for folder in (package_files(f"ib_data.{package}"), *(folder / within for folder in folders)):
        for file in folder.iterdir() if folder.is_dir() else ():
            name = file.name.removesuffix(suffix)
            if file.name == name or not (_NAME.fullmatch(name) if suffix == ".md" else file.is_file()):
                continue  # such as README.md
            if name in found:
                both = f"{shown(found[name], package)} and {file}"
                raise IbDataError(f"{both} have the same name; rename yours: {name!r} is taken")
            found[name] = file
    return dict(sorted(found.items()))


def _entry_points(path: tuple[str, ...]) -> list[Path]:
    """The folders of installed packages with our entry point, in the order of `sys.path`.

    Parsed by hand, since importlib.metadata would take 25 ms of the 75 ms of `ib-data list`.
    """
    found = []
    for folder in path:
        for file in sorted(Path(folder).glob("*.*-info/entry_points.txt")):
            text = file.read_text(encoding="utf-8")
            if f"[{GROUP}]" in text:
                found += [_folder_of_module(module, file) for module in _modules(text)]
    return found


def _modules(text: str) -> list[str]:
    from configparser import ConfigParser

    parser = ConfigParser(delimiters=("=",))
    parser.read_string(text)
    return [value.strip() for _, value in parser.items(GROUP)]


def _folder_of_module(module: str, file: Path) -> Path:
    """The folder of a package, or the folder a module is in. Imports only the parents of the module."""
    from importlib.util import find_spec

    try:
        spec = find_spec(module)
    except (ImportError, ValueError) as error:
        raise IbDataError(f"{file}: entry point of {GROUP}: cannot find {module!r} ({error})") from error
    if spec and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).absolute()
    if spec is None or spec.origin is None:
        raise IbDataError(f"{file}: entry point of {GROUP}: there is no module {module!r}; install its package again")
    return Path(spec.origin).absolute().parent
