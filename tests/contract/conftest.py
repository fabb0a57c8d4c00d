"""The miniature's official files in memory."""

import pytest
from bad_sources import CASES, Changed, in_memory

from ib_data.builders.folders import SourceFolders
from ib_data.builders.mirror import miniature_fetcher
from ib_data.builders.sources import resolve
from ib_data.cards import load_card
from ib_data.home import Home


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Changed]:
    """The miniature's files of every split."""
    home = Home(tmp_path_factory.mktemp("home"))
    found = {}
    with miniature_fetcher(home, num_images=6) as fetcher:
        for name, split in CASES:
            card = load_card(name)
            form = card.forms[0] if card.forms else None
            found[name, split] = in_memory(resolve(card, split, form, SourceFolders(), fetcher))
    return found


@pytest.fixture(params=CASES, ids="/".join)
def files(request: pytest.FixtureRequest, originals: dict[tuple[str, str], Changed]) -> Changed:
    """The files of each split in turn."""
    return originals[request.param]
