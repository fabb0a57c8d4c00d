"""`ib_data.open_split`: one split that is built."""

from ib_data.cards import built
from ib_data.given import require_kind, require_text
from ib_data.home import Home, HomeLike
from ib_data.stored.built_split import BuiltSplit
from ib_data.stored.store import store_of


def open_split(
    home: HomeLike | None,
    name: str,
    split: str | None = None,
    *,
    shards: str | None = None,
    cache_bytes: int | None = None,
) -> BuiltSplit:
    """A split of the dataset `name` that is built in a home (None: `IB_DATA_HOME`, else `~/ib_data`).

    By default the split that the paper used, or the first other one that is built. A view opens the split of its base.
    `shards` is the URL of shards in an object store, of which `cache_bytes` are kept in the home's cache. Raises
    IbDataError for an unknown name, NotBuiltError that says what to run, DataError for a damaged manifest.
    """
    require_kind("name", name, str, "the name of a dataset (the home is the first argument)")
    require_text("split", split)
    return built.open_split(store_of(Home.find(home), shards, cache_bytes), name, split)
