"""Evaluates a model on the built split of a dataset: cases, answers on disk, scores."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ib_data import __version__
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
from ib_data.evaluation.run.vocabulary import known_vocabulary, require_vocabulary
from ib_data.evaluation.scoring.evaluated import Evaluated
from ib_data.evaluation.scoring.scored import scored
from ib_data.interrupts import Interrupts
from ib_data.stored.built_split import BuiltSplit, open_built
from ib_data.stored.store import Store
from ib_data.templates.renderer import Renderer

# Batches are cut from so many of them: enough to put prompts of like lengths together.
_BATCHES_AT_ONCE = 32
_AHEAD = 2
# A model that has failed this often without one answer will not answer the rest.
_MOST_FAILURES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a model is evaluated, on one or more datasets; a folder of each is under `folder`.

    `number`: only so many cases, chosen by a fixed key; 0: all, or the part that the card names. `shuffle_seed`: each
    question is about another example's image. `decoding` changes single settings of the protocol's. `world` and `rank`
    are those of this process. `only_best`: a ranking need not score more than the best candidate, which is faster.
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
    only_best: bool = False
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
        if not cases:
            raise IbDataError(f"{card.name}/{built.split}: the protocol leaves out every chosen case; ask more with -n")
        chosen = decoding_of(protocol, is_causal=self.model.is_causal, **self.decoding)
        made_from = self._made_from(card, built, protocol, chosen, maker.shown_prompt(), number, vocabulary)
        partners = {} if self.shuffle_seed is None else exchanged(cases, self.shuffle_seed)
        with PredictionFiles(self.folder / card.name, made_from, self.world, self.rank) as files:
            if not files.is_whole:
                # Only the answer of a vocabulary is no more than its best candidate; ranks and labels need all scores.
                only_best = self.only_best and protocol.candidates == "vocabulary" and protocol.normalisation == "sum"
                asker = Asker(model=self.model, protocol=protocol, decoding=chosen, only_best=only_best)
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
            model={"name": self.model.name, **self.model.identity},
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
        mine = list(self._mine(cases, files))
        name = f"{asker.protocol.dataset}/{asker.protocol.split}"
        if files.done:
            note(f"{name}: continuing after {count_text(len(files.done), 'prediction')}")
        with ExitStack() as stack, Interrupts() as interrupts:
            images = stack.enter_context(Images(built, self.model.images, partners))
            shown = stack.enter_context(Progress(name, sum(map(len, mine)), "question"))
            # The images of two batches more than the one being answered: a batch of clips may be hundreds of MB.
            ahead = deque(images.begin(batch) for batch in mine[:_AHEAD])
            try:
                for number, batch in enumerate(mine, _AHEAD):
                    if number < len(mine):
                        ahead.append(images.begin(mine[number]))
                    with interrupts.step("finishing the batch"):
                        files.add(asker.predictions(batch, ahead.popleft()))
                        _require_answers(files.done, least=_MOST_FAILURES)
                        shown.add(len(batch))
            except KeyboardInterrupt as stop:
                kept = f" after {len(files.done):,} predictions on {name}; the same command continues"
                raise interrupts.stopped(kept) from stop

    def _mine(self, cases: Sequence[Case], files: PredictionFiles) -> Iterator[Sequence[Case]]:
        """The batches of this process that are not all answered, whatever the number of processes was before.

        A batch is asked again as a whole: it is written as a whole.
        """
        pieces = windows(cases, _BATCHES_AT_ONCE * self.batch_size)
        for number, batch in enumerate(batch for piece in pieces for batch in batches(piece, self.batch_size)):
            if number % self.world == self.rank and not all(case.id in files.done for case in batch):
                yield batch

    def _vocabulary(self, card: Card, protocol: Protocol) -> tuple[str, ...] | None:
        """The training answers; None if the protocol does not use them, or can do without and they are not built."""
        require_vocabulary(self.store, card, protocol)
        found = known_vocabulary(self.store, card, protocol)
        if found is None and protocol.vocabulary_least:
            note(f"{card.name}: the training split is not built, so that the closed score is not given")
        return found

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
        ranking: dict[str, Any] = {}
        if protocol.method == "rank":
            names = ("candidates", "verbalisers", "aggregation", "normalisation")
            ranking = {name: getattr(protocol, name) for name in names} | {"only_best": self.only_best}
        candidates = "\n".join(vocabulary or ()) if protocol.candidates == "vocabulary" else ""
        return {
            "version": __version__,
            "model": dict(self.model.identity),
            "split": protocol.split,
            "method": protocol.method,
            "ranking": ranking,
            "decoding": asdict(decoding) if decoding else {},
            "build": built.fingerprint,
            "vocabulary": sha256(candidates.encode()).hexdigest() if candidates else "",
            "prompt": prompt,
            "templates": self.renderer.digest(card),
            "images": asdict(self.model.images) if self.model.images else {},
            "number_of_cases": number,
            "left_out": protocol.left_out,
            "shuffle_seed": self.shuffle_seed,
        }


def _require_answers(predictions: Mapping[str, Prediction], least: int = 1) -> None:
    """Raise IbDataError if there are at least so many predictions, and all are the same error."""
    errors = {prediction.error for prediction in predictions.values()} if len(predictions) >= least else {""}
    if len(errors) == 1 and (error := errors.pop()):
        raise IbDataError(f"none of {count_text(len(predictions), 'question')} could be answered: {error}")
