"""Scores of the running model by the metrics of its datasets, over a pinned part of each."""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import GenerationConfig

from ib_data.console import Progress
from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.run.asking import Asker, batches, decoding_of
from ib_data.evaluation.run.cases import windows
from ib_data.evaluation.run.images import Images
from ib_data.evaluation.run.prediction_files import plain, prediction_of
from ib_data.evaluation.scoring.scored import scored
from ib_data.home import Home
from ib_data.interrupts import Interrupts
from ib_data.mixtures.stream.stream import Stream
from ib_data.stored.store import store_of
from ib_data.templates.render_options import MAX_TARGET_TOKENS
from ib_data.training.answering import ModelAnswers
from ib_data.training.config.train_config import TrainConfig
from ib_data.training.generation.answerer import Answerer
from ib_data.training.loop.asked_parts import AskedPart, AskedParts, asked_parts
from ib_data.training.loop.ranks import Ranks
from ib_data.training.loop.sharding import gather_outside_layers
from ib_data.training.loop.validation import evaluating
from ib_data.training.model.load import LoadedModel
from ib_data.training.model.parts import frozen_dtype

# Questions at a time, fewer if a step takes fewer positions: with beams of 5 each needs five rows.
_BATCH_SIZE = 16
# Batches whose images are in memory at a time.
_BATCHES_AT_ONCE = 32
# Scores that are not fractions, which people read times 100.
_NO_FRACTIONS = ("token-loss",)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldInScores:
    """Scores by dataset and metric, unrounded fractions; None if no case could be answered.

    `num_cases` and `num_failed` are those of each dataset; a failed case counts as wrong. `training_data` are the
    datasets that were asked about what the run trains on. `questions` is the fingerprint of what was asked.
    """

    scores: Mapping[str, Mapping[str, float | None]]
    num_cases: Mapping[str, int]
    num_failed: Mapping[str, int]
    training_data: Sequence[str]
    questions: str
    seconds: float

    def row(self, step: int) -> dict[str, Any]:
        """The line of the log after `step` steps."""
        return {
            "step": step,
            "scores": self._plain(),
            "num_cases": dict(self.num_cases),
            "num_failed": dict(self.num_failed),
            "training_data": list(self.training_data),
            "scoring_s": self.seconds,
        }

    def points(self) -> dict[str, float | None]:
        """A point for the curve of each score."""
        return {
            f"scores/{self._title(name)}/{metric}": value
            for name, values in self.scores.items()
            for metric, value in values.items()
        }

    def state(self) -> dict[str, Any]:
        """The entry of a checkpoint's `state.json`."""
        return {"scores": self._plain(), "training_data": list(self.training_data), "questions": self.questions}

    def line(self, step: int) -> str:
        """The same for a reader, fractions times 100."""
        return f"scores after step {step}: {'; '.join(map(self._words, self.scores))}"

    def _words(self, name: str) -> str:
        values = ", ".join(f"{metric} {_text(metric, value)}" for metric, value in self.scores[name].items())
        failed = self.num_failed[name]
        return f"{self._title(name)} {values}" + (f" ({failed} of {self.num_cases[name]} failed)" if failed else "")

    def _title(self, name: str) -> str:
        return f"{name} (training data)" if name in self.training_data else name

    def _plain(self) -> dict[str, dict[str, float | None]]:
        return {name: dict(values) for name, values in self.scores.items()}


class Scoring:
    """Asks the running model the same questions each time, and scores its answers.

    Every process of the run calls `run` at the same time and gets the same result. It changes neither the model nor any
    random state.
    """

    entry = "scores"

    def __init__(
        self,
        config: TrainConfig,
        home: Home,
        asked: AskedParts,
        loaded: LoadedModel,
        ranks: Ranks,
        interrupts: Interrupts,
    ) -> None:
        self.config, self.home, self.asked, self.loaded = config, home, asked, loaded
        self.ranks, self.interrupts = ranks, interrupts
        self.fingerprint = asked.fingerprint()
        self.batch_size = min(_BATCH_SIZE, config.micro_batch_size or -(-config.batch_size // ranks.world))

    def is_due(self, step: int) -> bool:
        """Whether the model is scored after `step` steps: every `score_every`, and after the last."""
        return step > 0 and (step % self.config.score_every == 0 or step == self.config.steps)

    def is_done(self, state: Mapping[str, Any]) -> bool:
        """Whether a checkpoint's state holds the result of this scoring."""
        return state.get("questions") == self.fingerprint

    def run(self, losses: nn.Module) -> HeldInScores:
        """The scores of the model in `losses`, the module that a step runs.

        A signal raises KeyboardInterrupt: with one process at once, else in all of them before the next batch. Raises
        IbDataError for damaged shards.
        """
        began_s = time.perf_counter()
        found: list[dict[str, Prediction]] = []
        total = sum(len(part.cases) for part in self.asked.parts)
        with (
            self.ranks.naming_lost_process(),
            self._model(losses) as model,
            Progress("scoring", total, "case") as shown,
        ):
            for part in self.asked.parts:
                own = [plain(one) for one in self._predictions(part, model, shown)]
                texts = self.ranks.gathered(json.dumps(own))
                found.append({one.id: one for text in texts for one in map(prediction_of, json.loads(text))})
        if self.ranks.device.type == "cuda":  # the cached blocks fit no training step
            torch.cuda.empty_cache()
        return self._scores(found, time.perf_counter() - began_s)

    def _predictions(self, part: AskedPart, model: ModelAnswers, shown: Progress) -> Iterator[Prediction]:
        """What this process predicts: every `world`-th batch.

        If the language model is split over the processes, each forward pass gathers its layers, and all must make the
        same ones: then every process answers every question.
        """
        shares, rank = (1, 0) if self.config.shard_language_model else (self.ranks.world, self.ranks.rank)
        asker = Asker(
            model=model, protocol=part.protocol, decoding=decoding_of(part.protocol, is_causal=model.is_causal)
        )
        with Images(part.built, model.images, {}) as images:
            for window in windows(part.cases, _BATCHES_AT_ONCE * self.batch_size):
                dealt = list(batches(window, self.batch_size))
                pending = images.begin([case for batch in dealt[rank::shares] for case in batch])
                for first in range(0, len(dealt), shares):
                    self._stop_together()
                    for batch in dealt[first + rank : first + rank + 1]:
                        yield from asker.predictions(batch, pending)
                    if self.ranks.is_main:
                        shown.add(sum(map(len, dealt[first : first + shares])))

    def _stop_together(self) -> None:
        """Stop all processes if one received a signal."""
        if self.ranks.world > 1 and self.ranks.sums([float(self.interrupts.signal is not None)])[0]:
            raise KeyboardInterrupt

    @contextmanager
    def _model(self, losses: nn.Module) -> Iterator[ModelAnswers]:
        """The model as it answers: in evaluation mode, and not compiled, since lengths differ with each token."""
        config, device, language_model = self.config, self.ranks.device, self.loaded.model.language_model
        answerer = Answerer(
            loaded=self.loaded,
            rows=self.loaded.row_maker(config.max_instruction_tokens, MAX_TARGET_TOKENS),
            device=device,
            dtype=frozen_dtype(config.precision, device),
            instruction_aware=config.instruction_aware,
            num_frames=config.images.frames,
            made_from="a running model",
        )
        before = language_model.generation_config
        eager = torch.compiler.set_stance("force_eager") if config.compile else nullcontext()
        with evaluating(losses), torch.random.fork_rng([device] if device.type == "cuda" else []), eager:
            # What a folder says about decoding would fill in whatever we leave open.
            language_model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
            try:
                method = "tree"
                if config.shard_language_model:
                    gather_outside_layers(language_model)
                    method = "prefix"  # a tree reads the position biases inside a layer, which is not gathered then
                yield ModelAnswers(answerer, "a running model", self.home, method=method)
            finally:
                language_model.generation_config = before

    def _scores(self, found: Sequence[Mapping[str, Prediction]], seconds: float) -> HeldInScores:
        scores: dict[str, dict[str, float | None]] = {}
        num_cases: dict[str, int] = {}
        num_failed: dict[str, int] = {}
        for part, predictions in zip(self.asked.parts, found, strict=True):
            name = part.protocol.dataset
            failed = sum(bool(one.error) for one in predictions.values())
            scores.setdefault(name, {}).update(_scores_of(part, part.cases, predictions, failed))
            num_cases[name], num_failed[name] = len(part.cases), max(failed, num_failed.get(name, 0))
        return HeldInScores(
            scores=scores,
            num_cases=num_cases,
            num_failed=num_failed,
            training_data=self.asked.names(is_trained_on=True),
            questions=self.fingerprint,
            seconds=seconds,
        )


def _scores_of(
    part: AskedPart, cases: Sequence[Case], predictions: Mapping[str, Prediction], failed: int
) -> dict[str, float | None]:
    """The score by the protocol's metric and, of generated questions, the share that equals the reference."""
    found = scored(part.protocol, cases, predictions).scores
    values = {part.protocol.metric: found.score}
    if (match := found.also.get("exact match")) is not None:
        values["exact match"] = match
    return {metric: value if math.isfinite(value) and failed < len(cases) else None for metric, value in values.items()}


def open_scoring(
    config: TrainConfig,
    home: Home,
    stream: Stream,
    loaded: LoadedModel,
    ranks: Ranks,
    interrupts: Interrupts,
    say: Callable[[str], None],
) -> Scoring | None:
    """The scoring of a run, or None if it has none; says which members are not scored, and why."""
    if not config.score_every:
        return None
    store = store_of(home, config.shards or None, config.cache_gb * 10**9)
    folder = config.stream.templates
    asked = asked_parts(store, stream.mixture, config.scoring_samples, Path(folder) if folder else None)
    reasons = "; ".join(f"{reason}: {', '.join(names)}" for reason, names in asked.missing.items())
    if not asked.parts:
        say(f"the run is not scored, since no member can be ({reasons})")
        return None
    if reasons:
        say(f"scored on {', '.join(asked.names())}; not on others ({reasons})")
    if seen := asked.names(is_trained_on=True):
        say(f"scored on training data, since they have no other split: {', '.join(seen)}")
    return Scoring(config, home, asked, loaded, ranks, interrupts)


def _text(metric: str, value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4f}" if metric in _NO_FRACTIONS else f"{100 * value:.2f}"
