"""`ib_data.open_split`: opens one built split."""

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
    """A built split of the dataset `name` in a home (None: `IB_DATA_HOME`, else `~/ib_data`).

    Default split: the one the paper used, else the first that is built. A view opens the split of its base. `shards`
    is the URL of shards in an object store; the home's cache keeps up to `cache_bytes` of them. Raises IbDataError for
    an unknown name, NotBuiltError, which says what to run, and DataError for a damaged manifest.
    """
    require_kind("name", name, str, "the name of a dataset (the home is the first argument)")
    require_text("split", split)
    return built.open_split(store_of(Home.find(home), shards, cache_bytes), name, split)
