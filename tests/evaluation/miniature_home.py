"""The miniature with the splits that the protocols of all datasets score, and a tiny model with random values."""

from pathlib import Path

from ib_data.builders.miniature.server import miniature_fetcher
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.write.build import build_split
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.cards import card_names, load_card
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.protocols.read import protocol_of
from ib_data.home import Home

_WORDS = ["What is this in the image ? a red blue square circle yes no true false short answer ( ) . question options"]


def protocols() -> list[Protocol]:
    """The protocol of every dataset, as its card has it."""
    return [protocol_of(load_card(name)) for name in card_names()]


def build_miniature(home: Home, num_images: int) -> None:
    """Build the split that each protocol scores, and the training split of those whose candidates it gives."""
    needed = {(load_card(one.dataset).stored_as, one.split) for one in protocols()}
    needed |= {(load_card(one.dataset).stored_as, "train") for one in protocols() if one.vocabulary_least}
    with miniature_fetcher(home, num_images=num_images) as fetcher:
        for name, split in sorted(needed):
            card = load_card(name)
            options = Options(miniature=True, mini_size=num_images)
            build = Build(home=home, fetcher=fetcher, folders=SourceFolders(), options=options)
            build_split(card, split, card.forms[0] if card.forms else None, build)


def write_tiny_model(folder: Path) -> None:
    """A model folder in which nearly every word is unknown: what it answers does not matter, that it does is enough."""
    from ib_data.training.model.tiny_folder import TinyShape, save_folder, tiny_model

    shape = TinyShape(
        image_px=32, num_query_tokens=2, vision_width=16, qformer_width=16, language_width=16, num_layers=1, num_heads=2
    )
    save_folder(folder, *tiny_model(shape, _WORDS, 0))
