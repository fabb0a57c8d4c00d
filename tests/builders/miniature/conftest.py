"""One miniature for all tests that only read it."""

from pathlib import Path

import pytest

from ib_data.builders.miniature import write_mirror


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole mirror of the usual size."""
    path = tmp_path_factory.mktemp("miniature") / "mirror"
    write_mirror(path)
    return path
