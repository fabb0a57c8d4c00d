"""How much a build still has to fetch, by the sizes on the card. Light, since `ib-data list` calls it per card."""

from ib_data.cards.card import Card
from ib_data.cards.facts import SourceFile
from ib_data.cards.media_stores import media_stores
from ib_data.home import MANIFEST, Home


def to_download(card: Card, home: Home) -> tuple[int, int]:
    """(bytes, number of files of unknown size) that the default splits need and `home` does not have.

    Counts annotation files in the preferred form, and every archive of images or clips of the card: only the rows tell
    which split needs which archive. Images fetched one by one count as one file of unknown size. A view needs nothing.
    """
    if card.view_of or _is_built(card, home):
        return 0, 0
    form = card.forms[0] if card.forms else None
    stores = [media_stores()[name] for name in card.media]
    files = [file for file in card.files if file.form in (None, form) and _is_default(card, file)]
    files += [store.file for store in stores if store.file and not store.each]
    # By place: annotations and images of some datasets are in one archive.
    wanted = {file.place: file for file in files if not (home.downloads / file.place).exists()}
    num_loose = sum(store.each is not None or store.file is None for store in stores)
    sizes = [file.num_bytes for file in wanted.values()]
    return sum(filter(None, sizes)), sizes.count(None) + num_loose


def _is_default(card: Card, file: SourceFile) -> bool:
    return file.split is None or card.splits[file.split].default


def _is_built(card: Card, home: Home) -> bool:
    defaults = [split.name for split in card.splits.values() if split.default]
    return bool(defaults) and all((home.split(card.name, name) / MANIFEST).exists() for name in defaults)
