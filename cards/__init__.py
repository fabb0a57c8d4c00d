"""One card a dataset (`NAME.md`), and the code that reads them.

facts         what a card says of files, media, splits and gates; the names of metrics
marks         what tells an official file from another one
roots         where datasets are found: the package, folders of one's own, installed packages
own_cards     what a card of one's own must say, and what it may leave out
card          a dataset's card, read strictly; named: the cards behind names and groups
media_stores  the archives of images and clips that cards name (`media.toml`)
built, kinds  the built split of a dataset or a view; what kind of build it is
downloads     how much is still to be fetched
page          a card as a page and as JSON
"""

from ib_data.cards.card import Card, card_names, find_card, load_card
from ib_data.cards.facts import Gate, HubMirror, MediaStore, SourceFile, Split, place_of
from ib_data.cards.marks import Mark
from ib_data.cards.media_stores import family, gate_of, media_stores, other_parts

__all__ = [
    "Card",
    "Gate",
    "HubMirror",
    "Mark",
    "MediaStore",
    "SourceFile",
    "Split",
    "card_names",
    "family",
    "find_card",
    "gate_of",
    "load_card",
    "media_stores",
    "other_parts",
    "place_of",
]
