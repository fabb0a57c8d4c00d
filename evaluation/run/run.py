"""Evaluates a model on the built split of a dataset: cases, answers on disk, scores."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from ib_data.cards import Card, load_card
from ib_data.console import Progress, count_text, note
from ib_data.errors import IbDataError
from ib_data.evaluation.answering import Model
from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.decoding import Decoding
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.run.about_build import with_build
from ib_data.evaluation.run.asking import Asker, batches, decoding_of
from ib_data.evaluation.run.cases import CaseMaker, windows
from ib_data.evaluation.run.images import Images, exchanged
from ib_data.evaluation.run.prediction_files import PredictionFiles
from ib_data.evaluation.run.vocabulary import require_vocabulary, vocabulary_of
from ib_data.evaluation.scoring.evaluated import Evaluated
from ib_data.evaluation.scoring.scored import scored
from ib_data.interrupts import Interrupts
from ib_data.stored.built_split import BuiltSplit, NotBuiltError, open_built
from ib_data.stored.store import Store
from ib_data.templates.renderer import Renderer

# Batches are cut from so many of them: enough to put prompts of like lengths together, few enough to hold the images.
_BATCHES_AT_ONCE = 32
# A model that has failed this often without one answer will not answer the rest.
_MOST_FAILURES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a model is evaluated, on one or more datasets; a folder of each is under `folder`.

    `number`: only so many cases, chosen by a fixed key; 0: all, or the part that the card names. `shuffle_seed`: each
    question is about another example's image. `decoding` changes single settings of the protocol's. `world` and `rank`
    are those of this process.
    """

    model: Model
    store: Store
    folder: Path
    renderer: Renderer
    batch_size: int = 16
    number: int = 0
    shuffle_seed: int | None = None
    prompt: str = ""
    decoding: Mapping[str, Any] = field(default_factory=dict)
    world: int = 1
    rank: int = 0

    def evaluate(self, protocol: Protocol) -> Evaluated | None:
        """The scores of a dataset; None in all processes but the first.

        Predictions that are there already are not made again. Raises NotBuiltError for a split that is not built,
        IbDataError for predictions of another run in `folder`, and Interrupted after the batch in which a signal came.
        """
        card = load_card(protocol.dataset)
        built = open_built(self.store, card.stored_as, protocol.split)
        vocabulary = self._vocabulary(card, protocol)
        maker = CaseMaker(
            card=card, protocol=protocol, renderer=self.renderer, prompt=self.prompt, vocabulary=vocabulary or ()
        )
        number = self.number or protocol.part
        cases = maker.cases(built, number)
        chosen = decoding_of(protocol, is_causal=self.model.is_causal, **self.decoding)
        made_from = self._made_from(card, built, protocol, chosen, maker.shown_prompt(), number, vocabulary)
        partners = {} if self.shuffle_seed is None else exchanged(cases, self.shuffle_seed)
        with PredictionFiles(self.folder / card.name, made_from, self.world, self.rank) as files:
            if not files.is_whole:
                asker = Asker(model=self.model, protocol=protocol, decoding=chosen)
                self._ask(cases, built, asker, files, partners)
            predictions = files.finish(cases)
        if predictions is None:
            return None
        _require_answers(predictions)
        found = with_build(scored(protocol, cases, predictions, vocabulary), card, built, number)
        return replace(
            found,
            prompt=maker.shown_prompt(),
            decoding=asdict(chosen) if chosen else {},
            model=self.model.identity,
        )

    def _ask(
        self,
        cases: Sequence[Case],
        built: BuiltSplit,
        asker: Asker,
        files: PredictionFiles,
        partners: Mapping[str, str],
    ) -> None:
        """Make the missing predictions of this process's batches."""
        mine = [list(self._of_window(window, first, files)) for window, first in self._windows(cases)]
        total = sum(len(batch) for batches_of in mine for batch in batches_of)
        name = f"{asker.protocol.dataset}/{asker.protocol.split}"
        if files.done:
            note(f"{name}: continuing after {count_text(len(files.done), 'prediction')}")
        with ExitStack() as stack, Interrupts() as interrupts:
            images = stack.enter_context(Images(built, self.model.images, partners))
            shown = stack.enter_context(Progress(name, total, "question"))
            waiting = [batches_of for batches_of in mine if batches_of]
            pending = images.begin([case for batch in waiting[0] for case in batch]) if waiting else {}
            try:
                for i, batches_of in enumerate(waiting):
                    ready = pending
                    if i + 1 < len(waiting):
                        pending = images.begin([case for batch in waiting[i + 1] for case in batch])
                    for batch in batches_of:
                        with interrupts.step("finishing the batch"):
                            files.add(asker.predictions(batch, ready))
                            if len(files.done) >= _MOST_FAILURES:
                                _require_answers(files.done)
                            shown.add(len(batch))
            except KeyboardInterrupt as stop:
                kept = f" after {len(files.done):,} predictions on {name}; the same command continues"
                raise interrupts.stopped(kept) from stop

    def _windows(self, cases: Sequence[Case]) -> Iterator[tuple[Sequence[Case], int]]:
        """Pieces of the cases, each with the number of its first batch."""
        first = 0
        for window in windows(cases, _BATCHES_AT_ONCE * self.batch_size):
            yield window, first
            first += sum(1 for _ in batches(window, self.batch_size))

    def _of_window(self, window: Sequence[Case], first: int, files: PredictionFiles) -> Iterator[Sequence[Case]]:
        """The batches of this process that are not all answered, whatever the number of processes was before.

        A batch is asked again as a whole: it is written as a whole.
        """
        for number, batch in zip(count(first), batches(window, self.batch_size), strict=False):
            if number % self.world == self.rank and not all(case.id in files.done for case in batch):
                yield batch

    def _vocabulary(self, card: Card, protocol: Protocol) -> tuple[str, ...] | None:
        """The training answers; None if the protocol does not use them, or can do without and they are not built."""
        if not protocol.vocabulary_least:
            return None
        require_vocabulary(self.store, card, protocol)
        try:
            return vocabulary_of(self.store, card, protocol.vocabulary_least)
        except NotBuiltError:
            note(f"{card.name}: the training split is not built, so that the closed score is not given")
            return None

    def _made_from(
        self,
        card: Card,
        built: BuiltSplit,
        protocol: Protocol,
        decoding: Decoding | None,
        prompt: str,
        number: int,
        vocabulary: Sequence[str] | None,
    ) -> dict[str, Any]:
        """Everything that predictions depend on. Each key is a word of a message."""
        ranking = ("candidates", "verbalisers", "aggregation", "normalisation", "vocabulary_least", "left_out")
        return {
            "model": self.model.identity,
            "split": protocol.split,
            "method": protocol.method,
            "ranking": {name: getattr(protocol, name) for name in ranking},
            "decoding": asdict(decoding) if decoding else {},
            "build": built.fingerprint,
            "vocabulary": len(vocabulary) if vocabulary else 0,
            "prompt": prompt,
            "templates": self.renderer.digest(card),
            "images": asdict(self.model.images),
            "number_of_cases": number,
            "shuffle_seed": self.shuffle_seed,
        }


def _require_answers(predictions: Mapping[str, Prediction]) -> None:
    """Raise IbDataError if all predictions are errors."""
    if all(prediction.error for prediction in predictions.values()):
        error = next(iter(predictions.values())).error
        raise IbDataError(f"none of {count_text(len(predictions), 'question')} could be answered: {error}")
