"""TextCaps of the miniature: captions that need the words on two boards, about TextVQA's images."""

from typing import Any

from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.signs import MEDIA, SET_NAMES, Sign, image_facts, sign_file, signs, token_members
from ib_data.builders.miniature.world.words import with_article
from ib_data.cards import Card, SourceFile

__all__ = ["MEDIA", "captions", "members"]


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official file; the tokens are TextVQA's."""
    if file.role == "ocr":
        return token_members(population, file)
    assert file.split is not None
    rows: list[dict[str, Any]] = []
    for one in signs(population, file.split):
        texts = captions(one)
        rows += [
            {
                "image_id": one.image_id,
                **image_facts(one),
                "image_path": f"train/{one.image_id}",
                "caption_id": one.number * len(texts) + turn,
                "caption_str": text,
                "caption_tokens": text.rstrip(". ").lower().split(),
                "reference_strs": texts,
                "reference_tokens": [other.rstrip(". ").lower().split() for other in texts],
                "set_name": SET_NAMES[file.split],
            }
            for turn, text in enumerate(texts)
        ]
    return {file.name: sign_file("textcaps", "0.1", file.split, rows)}


def captions(one: Sign) -> list[str]:
    """Five true sentences that need the words; one has blanks around it."""
    upper, lower = with_article(one.upper), with_article(one.lower)
    return [
        f"{upper.capitalize()} sign that says {one.word}.",
        f"A sign for {one.word.lower()} above {lower} board with the number {one.price}.",
        f" {one.word} is written on {upper} board in front of {with_article(one.wall)} wall.",
        f"The number {one.price} stands on {lower} board.",
        f"Two boards that read {one.word} and {one.price}.",
    ]
