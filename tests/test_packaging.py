"""The links that make the top-level folders one package, and the package metadata."""

import tomllib
from pathlib import Path

import pytest

import ib_data

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", ["builders", "templates", "mixtures", "evaluation", "training", "cards"])
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
