"""Choosing the form of the source and the splits to build."""

from collections.abc import Callable

from ib_data.builders.source.folder_search import find_in_folders
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.official_files import files_of, lacks
from ib_data.builders.write.build_context import Build
from ib_data.cards import Card, family
from ib_data.console import note
from ib_data.errors import DataError, UnknownNameError
from ib_data.home import Home
from ib_data.stored.manifest import survey


def chosen_splits(
    card: Card, build: Build, split: str | None, tell: Callable[[str], None] = note
) -> tuple[str | None, list[str]]:
    """The form of the source and the splits to build; `split` None means the default splits.

    `tell` is called with a line for each default split that is left out because `--source` lacks its files. Raises
    UnknownNameError for an unknown split, and DataError if `--source` holds nothing of the dataset.
    """
    if split is not None and split not in card.splits:
        raise UnknownNameError(f"{card.name} has no split {split!r}; it has {', '.join(card.splits)}")
    if build.folders.roots:
        _require_something(card, build)
    form = _form(card, build.folders)
    return form, [split] if split else _default_splits(card, form, build.folders, tell)


def warn_of_mixed_forms(card: Card, form: str | None, home: Home) -> None:
    """Print a note if another split was built from another form: they may share images (COCO's 2014 and 2017)."""
    manifests, _ = survey(home, card.name)
    for other in manifests:
        if other.recipe.get("form") != (form or ""):
            note(f"{card.name}: {other.split} is of the {other.recipe.get('form')} form, not {form}; build it again")


def _form(card: Card, folders: SourceFolders) -> str | None:
    """The first form with a file in the `--source` folders, else the card's preferred form."""
    for form in card.forms:
        if any(find_in_folders(card, file, folders) for file in card.files if file.form == form):
            return form
    return card.forms[0] if card.forms else None


def _default_splits(card: Card, form: str | None, folders: SourceFolders, tell: Callable[[str], None]) -> list[str]:
    defaults = [split.name for split in card.splits.values() if split.default and files_of(card, split.name, form)]
    there = [name for name in card.splits if _is_there(card, name, form, folders)]
    chosen = [name for name in defaults if name in there] or there or defaults
    for name in defaults:
        if name not in chosen:
            files = [file for file in files_of(card, name, form) if not find_in_folders(card, file, folders)]
            tell(f"{card.name}/{name} is left out: {lacks(card, files, folders).partition(': ')[2]}")
    return chosen


def _is_there(card: Card, split: str, form: str | None, folders: SourceFolders) -> bool:
    needed = [file for file in files_of(card, split, form) if not file.optional]
    return bool(needed) and all(find_in_folders(card, file, folders) for file in needed)


def _require_something(card: Card, build: Build) -> None:
    """Raise DataError if `--source` holds no file and no image of the dataset: most likely a wrong folder."""
    if build.from_hub or any(find_in_folders(card, file, build.folders) for file in card.files):
        return
    if any(build.source_holds(card, store) for name in card.media for store in family(name)):
        return
    problem = f"nothing of it: {lacks(card, list(card.files), build.folders).partition(': ')[2]}"
    raise DataError(card.name, problem, remedy="name the right folder, or fetch the files by leaving --source out")
