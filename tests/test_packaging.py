"""The links that make the top-level folders one package, and the package metadata."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

import ib_data

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("builders", "templates", "mixtures", "evaluation", "training", "cards")
SHIPPED = ROOT / "training" / "backbones" / "shipped"  # the miniature's parts


@pytest.mark.parametrize("name", FOLDERS)
def test_each_link_leads_to_its_folder(name: str) -> None:
    link = ROOT / "src" / "ib_data" / name
    assert link.is_symlink(), "check out with core.symlinks=true"
    assert link.resolve() == ROOT / name


def test_both_places_have_the_same_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == ib_data.__version__


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    names = [*project["dependencies"], *(name for extra in project["optional-dependencies"].values() for name in extra)]
    for requirement in names:
        name = requirement.split(">=")[0].split("[")[0].lower()
        assert name in {pinned.lower() for pinned in pins}, f"{name} is not pinned in constraints.txt"


def test_every_data_file_is_in_the_wheel() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    patterns = [*tool["setuptools"]["package-data"]["*"], "*.py", "*.pyc"]
    files = [path for folder in (*FOLDERS, "src") for path in (ROOT / folder).rglob("*") if path.is_file()]
    files = [path for path in files if not any(part.endswith(".egg-info") for part in path.parts)]
    assert [path for path in files if not any(fnmatch(path.name, pattern) for pattern in patterns)] == []
    shipped = ("weights.safetensors", "config.json")  # what the miniature's parts are
    assert all(any(fnmatch(name, pattern) for pattern in patterns) for name in shipped)


def test_the_parts_of_the_miniature_are_small_and_whole() -> None:
    files = {path.relative_to(SHIPPED).as_posix(): path for path in SHIPPED.rglob("*") if path.is_file()}
    assert sum(path.stat().st_size for path in files.values()) <= 8_000_000
    from ib_data.training.weights.backbones import read_backbones

    backbones = read_backbones()
    assert {*backbones.files, "backbones.json"} == files.keys()
    assert backbones.weights.keys() == {"llama", "t5"}
    for family in backbones.weights:
        backbones.require_whole(family)
