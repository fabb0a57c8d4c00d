"""The miniature's official files in memory."""

import pytest
from bad_sources import CASES, Changed, in_memory

from ib_data.builders.miniature.server import miniature_fetcher
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.official_files import resolve
from ib_data.cards import load_card
from ib_data.home import Home


@pytest.fixture(scope="session")
def all_forms(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str | None], Changed]:
    """The miniature's files of every split in every form of its source that has it."""
    home = Home(tmp_path_factory.mktemp("home"))
    found = {}
    with miniature_fetcher(home, num_images=6) as fetcher:
        for name, split in CASES:
            for form in load_card(name).forms or (None,):
                files = in_memory(resolve(load_card(name), split, form, SourceFolders(), fetcher))
                if files.parts:
                    found[name, split, form] = files
    return found


@pytest.fixture(scope="session")
def originals(all_forms: dict[tuple[str, str, str | None], Changed]) -> dict[tuple[str, str], Changed]:
    """The miniature's files of every split, in the first form of the source."""
    firsts = {name: (load_card(name).forms or (None,))[0] for name, _ in CASES}
    return {(name, split): all_forms[name, split, firsts[name]] for name, split in CASES}


@pytest.fixture(params=CASES, ids="/".join)
def files(request: pytest.FixtureRequest, originals: dict[tuple[str, str], Changed]) -> Changed:
    """The files of each split in turn."""
    return originals[request.param]
