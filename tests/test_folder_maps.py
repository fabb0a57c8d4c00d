"""Each folder's `__init__` docstring names what is in the folder."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "ib_data"
DATASETS = {card.stem for card in (PACKAGE / "cards").glob("*.md")} | {"llava"}
FOLDERS = sorted(
    str((PACKAGE / top.name / file.relative_to(top)).parent.relative_to(PACKAGE))
    for top in PACKAGE.iterdir()  # links, which `rglob` does not follow
    if top.is_dir()
    for file in top.rglob("__init__.py")
)


def map_of(folder: Path) -> str:
    return ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""


def parts_of(folder: Path) -> set[str]:
    """The modules and sub-packages of a folder; one file a dataset is one part, NAME."""
    modules = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    if folder.name in ("builders", "miniature"):
        modules = {"NAME" if name in DATASETS else name for name in modules}
    return modules | {file.parent.name for file in folder.glob("*/__init__.py")}


def test_every_folder_is_looked_at():
    assert {"builders", "builders/write", "verbs", "verbs/build", "mixtures/catalog", "stored"} <= set(FOLDERS)


def named_in(text: str) -> set[str]:
    """The names of a map: before two blanks at the beginning of a line (`a, b  what they do`), or as `; c: this`."""
    heads = re.findall(r"^((?:\w+/?, )+\w+/?(?= )|\w+/(?= )|\w+(?= {2}))", text, flags=re.MULTILINE)
    inner = re.findall(r"; ((?:\w+/?, )*\w+/?):", text)
    return {name.strip("/") for names in [*heads, *inner] for name in names.split(", ")}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_map_names_every_part(name):
    folder = PACKAGE / name
    assert parts_of(folder) - named_in(map_of(folder)) == set()


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_map_names_nothing_that_is_gone(name):
    folder = PACKAGE / name
    heads = re.findall(r"^((?:\w+/?, )*\w+/?) {2,}", map_of(folder), flags=re.MULTILINE)
    gone = {word.strip("/") for head in heads for word in head.split(", ")} - parts_of(folder) - {"NAME"}
    assert {word for word in gone if not (folder / word).is_dir()} == set()


def test_the_map_of_shared_files_names_every_one():
    text = (PACKAGE.parent.parent / "CONTRIBUTING.md").read_text()
    shared = {file.name for file in PACKAGE.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert {name for name in shared if f"`{name}`" not in text} == set()
