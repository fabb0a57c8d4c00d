"""Annotations to lint templates with: those of the bundled miniature, and the first ones of each built split."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from ib_data.builders.miniature.server import miniature_fetcher
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.write.build import build_split
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.cards import Card, card_names, load_card
from ib_data.console import note
from ib_data.errors import DataError, IbDataError
from ib_data.home import Home
from ib_data.sample import Annotation, Sample
from ib_data.stored.built_split import NotBuiltError, open_built
from ib_data.templates.values import MAX_OCR_TOKENS

# Images in the miniature's largest archive: 254 samples of 26 datasets, built without media in 1.2 s, linted in 0.7 s.
# 4 already take every branch of the packaged templates; 40 take 1.9 and 2.2 s and find no more.
MINIATURE_IMAGES = 12
_NO_WORD = re.compile(r"[\W_]+")
SAMPLES_PER_SPLIT = 50  # the first ones of each split that is built in the home


@dataclass(frozen=True)
class Examples:
    """Annotations of one dataset, and the number of their samples."""

    card: Card
    num_samples: int
    annotations: tuple[Annotation, ...]

    @cached_property
    def forms(self) -> tuple[tuple[Annotation, Annotation, Annotation], ...]:
        """Each annotation unchanged, in words, and in words that end in full stops; made once for all templates."""
        return tuple((given, in_words(given), in_words(given, end=".")) for given in self.annotations)


def examples(tasks: Collection[str], home: Home) -> list[Examples]:
    """The examples of every dataset of `tasks`, in the order of the cards.

    A note names each dataset that the miniature cannot build; it is linted with what is built of it in `home`. Notes
    also name damaged splits.
    """
    cards = [card for card in map(load_card, card_names()) if card.task in tasks]
    with TemporaryDirectory(prefix="ib-data-lint-") as folder:
        miniature = Home(Path(folder))
        _build(cards, miniature)
        return [_of_dataset(card, (*_samples(miniature, card), *_samples(home, card))) for card in cards]


def _build(cards: Iterable[Card], home: Home) -> None:
    """The miniature's annotations of the split that the paper used, for each of these datasets."""
    names = list(dict.fromkeys(card.stored_as for card in cards))
    with miniature_fetcher(home, MINIATURE_IMAGES, datasets=names, with_media=False) as fetcher:
        options = Options(miniature=True, media=False)
        build = Build(home=home, fetcher=fetcher, folders=SourceFolders(), options=options)
        for name in names:
            card = load_card(name)
            try:
                build_split(card, card.used_split, card.forms[0] if card.forms else None, build)
            except IbDataError as error:  # a user's own dataset is not in the miniature
                note(f"{name} is linted without the miniature: {error}")


def _samples(home: Home, card: Card) -> Iterator[Sample]:
    """The first samples of each built split; for a damaged one, a note and the samples before the damage."""
    for split in card.splits:
        try:
            yield from open_built(home, card.stored_as, split, verify=False).samples(SAMPLES_PER_SPLIT)
        except NotBuiltError:
            continue
        except DataError as error:
            note(f"{card.name} is linted without the rest of {card.stored_as}/{split}: {error}")


def _of_dataset(card: Card, samples: tuple[Sample, ...]) -> Examples:
    return Examples(card, len(samples), tuple(annotation for sample in samples for annotation in sample.annotations))


def in_words(annotation: Annotation, end: str = "") -> Annotation:
    """The annotation with each text reduced to words and single blanks, and `end` appended to it.

    Labels are unchanged, since templates compare them. OCR tokens are shown as one list, so only the last shown one
    gets the end.
    """

    def words(text: str) -> str:
        return _words(text) + end

    def given(text: str | None) -> str | None:
        return None if text is None else words(text)

    tokens = tuple(map(_words, annotation.ocr_tokens[:MAX_OCR_TOKENS]))
    return replace(
        annotation,
        question=given(annotation.question),
        caption=given(annotation.caption),
        context=given(annotation.context),
        statement=given(annotation.statement),
        answers=tuple(replace(answer, text=words(answer.text)) for answer in annotation.answers),
        options=tuple(map(words, annotation.options)),
        ocr_tokens=(*tokens[:-1], *(token + end for token in tokens[-1:])),
        history=tuple(replace(t, question=words(t.question), answer=words(t.answer)) for t in annotation.history),
    )


def _words(text: str) -> str:
    return _NO_WORD.sub(" ", text).strip() or "word"
