"""One card per dataset (`NAME.md`), and the code that reads them.

facts         files, media, splits and gates of a card; the names of metrics
marks         keys and values that identify an official file
roots         where cards are: the package, your own folders, installed packages
own_cards     required keys and defaults of your own cards
card          a dataset's card, read strictly
named         the cards for names and groups of datasets
media_stores  the archives of images and clips that cards name (`media.toml`)
downloads     how much a build still has to fetch
built, kinds  the built split of a dataset or a view; how it differs from the official data
page          a card as Markdown and as JSON
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
