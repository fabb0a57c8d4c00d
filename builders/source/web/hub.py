"""Reading a dataset's rows from its mirror on the Hugging Face hub, streamed with `datasets`.

Cards only name mirrors whose rows keep the official keys, so that the same builder gives the same annotations. Images
come from the usual sources. With `--mirror file:...`, reads a copy of the repository at
MIRROR/huggingface.co/datasets/ID.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ib_data.addresses import without_secrets
from ib_data.builders.source.files import Files
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.cards import Card, HubMirror
from ib_data.errors import DataError, IbDataError
from ib_data.strict import Table

HUB = "huggingface.co/datasets"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFiles(Files):
    """The rows of a hub mirror, instead of official files."""

    mirror: HubMirror
    source: str

    def lines(self, role: str) -> Iterator[Table]:
        """The rows of the mirror, one table per row, without nulls."""
        for number, row in enumerate(_stream(self.dataset, self.source, self.mirror.splits[self.split])):
            values = {key: value for key, value in row.items() if value is not None}
            yield Table.of(values, self.dataset, self.mirror.id, f"row {number}")

    def rows(self, role: str, key: str | None = None, **header: str) -> list[Table]:
        """As `lines`."""
        return list(self.lines(role))

    def name(self, role: str) -> str:
        """How the mirror is called in messages."""
        return self.mirror.id

    def names(self) -> str:
        """How the mirror is called in messages."""
        return self.mirror.id

    def provenance(self) -> list[dict[str, Any]]:
        """The entry in the manifest; the rows themselves are part of its plan checksum."""
        return [{"name": self.mirror.id, "url": f"https://{HUB}/{self.mirror.id}"}]


def hub_files(card: Card, split: str, fetcher: Fetcher) -> HubFiles:
    """The hub mirror's rows of one split; IbDataError if the card has no mirror of this split."""
    if card.hub is None or split not in card.hub.splits:
        known = f"it has {', '.join(card.hub.splits)}" if card.hub else "no mirror with the official rows is known"
        raise IbDataError(f"{card.name}: the card names no hub mirror of {split}: {known}; build without --from-hub")
    source = card.hub.id
    if fetcher.mirror is not None:
        parts = urlsplit(fetcher.mirror)
        if parts.scheme != "file":
            raise IbDataError("--from-hub reads the hub itself, or a copy of it at a --mirror that begins with file:")
        source = str(Path(url2pathname(parts.path)) / HUB / card.hub.id)
    return HubFiles(dataset=card.name, split=split, form=None, located={}, mirror=card.hub, source=source)


def _stream(dataset: str, source: str, split: str) -> Iterator[dict[str, Any]]:
    try:
        import datasets
    except ImportError as error:
        raise IbDataError("--from-hub needs the package datasets: pip install 'ib-data[hub]'") from error
    try:
        yield from datasets.load_dataset(source, split=split, streaming=True)
    except Exception as error:  # the clients that `datasets` uses have no common error class
        remedy = "check the network, or build from the official files without --from-hub"
        problem = f"cannot be read: {without_secrets(str(error)) or type(error).__name__}"
        raise DataError(dataset, problem, file=source, row=split, remedy=remedy) from error
