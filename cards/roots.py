"""Where datasets are found: in the package, in folders of one's own, and in installed packages.

A folder of one's own is named by IB_DATA_DATASETS (or `--datasets`, which sets it for the process and its workers), an
installed package by an entry point of the group `ib_data.datasets`. Both have one layout: `NAME.md` is a card and
`NAME.py` its builder, `media.toml` lists media stores, `templates/TASK.toml` holds the templates of these datasets in
place of the packaged ones, and `mixtures/NAME.toml` is a mixture.
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
    """The folders outside the package, those of IB_DATA_DATASETS first; IbDataError for one that is not there."""
    return _folders(os.environ.get(VARIABLE, ""), tuple(sys.path))


def use_folders(folders: Iterable[Path]) -> str | None:
    """Find datasets in `folders` from now on, here and in processes started later; returns IB_DATA_DATASETS before."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = os.pathsep.join(str(folder.absolute()) for folder in folders)
    return before


def card_files() -> Mapping[str, Traversable]:
    """The file of every card, packaged or not, by the dataset's name; IbDataError where two have one name."""
    return _found("cards", ".md", "", outside_folders())


def mixture_files() -> Mapping[str, Traversable]:
    """The file of every mixture, packaged or not, by its name; IbDataError where two have one name."""
    return _found("mixtures", ".toml", "mixtures", outside_folders())


def media_files() -> tuple[Traversable, ...]:
    """The lists of media stores: the packaged one first."""
    own = (folder / "media.toml" for folder in outside_folders())
    return (package_files("ib_data.cards").joinpath("media.toml"), *(path for path in own if path.is_file()))


def own_files() -> Iterator[Path]:
    """Every file of the folders outside the package that a catalog is made from."""
    for folder in outside_folders():
        for pattern in ("*.md", "*.toml", "templates/*.toml", "mixtures/*.toml"):
            yield from sorted(folder.glob(pattern))


def folder_of(dataset: str) -> Path | None:
    """The folder outside the package that holds the card of a dataset; None for a packaged one."""
    file = card_files()[dataset]
    return next((folder for folder in outside_folders() if folder / f"{dataset}.md" == file), None)


def shown(file: Traversable, package: str) -> str:
    """How a file is called in messages: `cards/vsr.md` where it is packaged, else its path."""
    is_packaged = package_files(f"ib_data.{package}").joinpath(file.name) == file
    return f"{package}/{file.name}" if is_packaged else str(file)


@cache
def _folders(variable: str, path: tuple[str, ...]) -> tuple[Path, ...]:
    named = [Path(name).absolute() for name in variable.split(os.pathsep) if name]
    for folder in named:
        if not folder.is_dir():
            raise IbDataError(f"{folder} is no folder; name one with cards and builders (--datasets or {VARIABLE})")
    return tuple(dict.fromkeys([*named, *_entry_points(path)]))


@cache
def _found(package: str, suffix: str, within: str, folders: tuple[Path, ...]) -> Mapping[str, Traversable]:
    """Files by their names without `suffix`, in the order of the names."""
    found: dict[str, Traversable] = {}
    for folder in (package_files(f"ib_data.{package}"), *(folder / within for folder in folders)):
        for file in folder.iterdir() if folder.is_dir() else ():
            name = file.name.removesuffix(suffix)
            if file.name == name or not (_NAME.fullmatch(name) if suffix == ".md" else file.is_file()):
                continue  # README.md is no card
            if name in found:
                both = f"{shown(found[name], package)} and {file}"
                raise IbDataError(f"{both} have one name; rename yours: {name!r} is taken")
            found[name] = file
    return dict(sorted(found.items()))


def _entry_points(path: tuple[str, ...]) -> list[Path]:
    """The folders that installed packages name, in the order of `sys.path`.

    Read here, since importlib.metadata takes 25 ms of the 75 of `ib-data list` to import and look.
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
    """The folder of a package, or the one a module is in; the module itself is not imported, only its parents are."""
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
