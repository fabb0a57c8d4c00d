"""Fixtures that every part's tests share."""

import contextlib
import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ib_data.cli import main
from ib_data.home import Home

pytest_plugins = ["tiny_homes"]  # fixtures of built homes, for every folder of tests
ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note in the report which tests need official files, so that CI can tell whether any was skipped."""
    for item in items:
        if item.get_closest_marker("real"):
            item.user_properties.append(("needs", "official files"))


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def no_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds leave the catalog unwritten, which takes longer than a build of a few samples; `sql` writes it again."""
    monkeypatch.setattr("ib_data.mixtures.catalog.file.rebuild", lambda home: None)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command line in this process."""

    def run(*args: object) -> Result:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["ib-data", *map(str, args)])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
                code = 0
            except SystemExit as stop:
                code = int(stop.code or 0)
        return Result(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of official files that nobody here wrote; it is not part of the repository."""
    folder = Path(os.environ.get("IB_DATA_REAL") or ROOT.parent / "shared" / "real")
    if not folder.is_dir():
        pytest.skip(f"official files are not at {folder}; IB_DATA_REAL names another place")
    return folder
