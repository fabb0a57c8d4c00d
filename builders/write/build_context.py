"""The context of one run: the home, the sources and the options."""

from collections.abc import Callable
from dataclasses import dataclass

from ib_data.builders.source.files import Files
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.local_media import InSource
from ib_data.builders.source.media_folders import OfficialPlaces
from ib_data.builders.source.official_files import resolve
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.source.web.hub import hub_files
from ib_data.builders.write.build_options import Options
from ib_data.cards import Card, MediaStore
from ib_data.home import Home
from ib_data.stored.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One run of `ib-data build`: home, sources and options.

    `report(manifest, is_new)` is called for each split; `is_new` is False if it was already built.
    """

    home: Home
    fetcher: Fetcher
    folders: SourceFolders
    options: Options
    from_hub: bool = False
    report: Callable[[Manifest, bool], None] = lambda _manifest, _is_new: None

    def files(self, card: Card, split: str, form: str | None) -> Files:
        """The official files of one split, or the rows of its hub mirror."""
        if self.from_hub:
            return hub_files(card, split, self.fetcher)
        return resolve(card, split, form, self.folders, self.fetcher)

    def source_holds(self, card: Card, store: MediaStore) -> bool:
        """Whether any image or clip of a store is in `--source`."""
        return InSource(card.name, OfficialPlaces(self.folders, card.name)).holds_any(store)
