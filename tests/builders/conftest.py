"""Fixtures shared by tests of builders."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from crawl_site import Site, served

from ib_data.builders.source.web import get as web
from ib_data.builders.source.web.fetcher import Fetcher


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web server on loopback for crawls, which wait for nobody."""
    monkeypatch.setattr(web, "wait", lambda seconds: None)
    with served() as state:
        yield state


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    """A fetcher whose downloads are the test's own."""
    return Fetcher(downloads=tmp_path / "downloads")
