"""Batches of cases, and what a model answers to each; a case that fails is a prediction too."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ib_data.console import count_text
from ib_data.errors import IbDataError, MissingExtraError
from ib_data.evaluation.answering import Asked, Frames, Generated, Model, Ranking
from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.decoding import Decoding, preset
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.run.images import require_decoded

# With more candidates only the best of them are written: all 2,423 of MSVD-QA would be 60 kB a question.
_ALL_SCORES, _TOP = 128, 10


def batches(cases: Sequence[Case], size: int) -> Iterator[Sequence[Case]]:
    """The cases in batches of up to `size`, those of one image together, and images with prompts of like lengths.

    What is padded is wasted: prompts of one batch should be about equally long.
    """
    images = [list(group) for _, group in groupby(cases, key=lambda case: case.key)]
    images.sort(key=lambda image: max(len(case.prompt) for case in image))
    batch: list[Case] = []
    for image in images:
        if batch and len(batch) + len(image) > size:
            yield batch
            batch = []
        batch += image
        while len(batch) > size:
            yield batch[:size]
            batch = batch[size:]
    if batch:
        yield batch


def decoding_of(protocol: Protocol, *, is_causal: bool, **changes: Any) -> Decoding | None:
    """The decoding of a protocol with single settings changed; None if candidates are ranked.

    Raises IbDataError as `preset` does.
    """
    if protocol.method == "rank":
        return None
    values = {**protocol.decoding, **changes}
    return preset(values.pop("preset"), is_causal=is_causal, **values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Asks a model by a protocol; `decoding` is None if candidates are ranked.

    With `only_best` a ranking need not score more than the best candidate.
    """

    model: Model
    protocol: Protocol
    decoding: Decoding | None
    only_best: bool = False

    def predictions(self, cases: Sequence[Case], images: Mapping[str, "Future[Frames | bytes]"]) -> list[Prediction]:
        """A prediction for each case, in order. What the model cannot answer is one with an error."""
        asked: dict[str, Asked] = {}
        faults: dict[str, str] = {}
        for case in cases:
            try:
                if case.fault:
                    raise IbDataError(case.fault)
                if self.protocol.method == "rank" and not any(map(str.strip, case.candidates)):
                    raise IbDataError("there is no candidate to rank")
                asked[case.id] = Asked(case.prompt, [require_decoded(images[case.key])])
            except MissingExtraError:
                raise
            except IbDataError as error:
                faults[case.id] = str(error)
        found = self._answered([case for case in cases if case.id in asked], asked)
        return [found.get(case.id) or Prediction(id=case.id, error=faults[case.id]) for case in cases]

    def _answered(self, cases: Sequence[Case], asked: Mapping[str, Asked]) -> dict[str, Prediction]:
        """The answers to all in one batch or, if one of them cannot be answered, to each alone."""
        if not cases:
            return {}
        try:
            return {one.id: one for one in self._batch(cases, [asked[case.id] for case in cases])}
        except IbDataError as error:
            if len(cases) == 1:
                return {cases[0].id: Prediction(id=cases[0].id, error=str(error))}
        return {case.id: one for case in cases for one in self._answered([case], asked).values()}

    def _batch(self, cases: Sequence[Case], asked: Sequence[Asked]) -> list[Prediction]:
        if self.decoding is not None:
            answers = self.model.generate(asked, self.decoding)
            _require_length("generate", "answer", len(answers), len(cases))
            return [_generated(case, answer) for case, answer in zip(cases, answers, strict=True)]
        candidates = [[text for text in case.candidates if text.strip()] for case in cases]
        rankings = self.model.rank(asked, candidates, only_best=self.only_best)
        _require_length("rank", "ranking", len(rankings), len(cases))
        triples = zip(cases, candidates, rankings, strict=True)
        return [ranked(self.protocol, case, _with_empty(case, texts, ranking)) for case, texts, ranking in triples]


def _generated(case: Case, answer: Generated) -> Prediction:
    return Prediction(id=case.id, answer=answer.text, num_tokens=answer.num_tokens, is_truncated=answer.is_truncated)


def _require_length(method: str, noun: str, found: int, expected: int) -> None:
    """Raise ValueError for a model that gives another number of results than it was asked for."""
    if found != expected:
        raise ValueError(f"{method}: expected {count_text(expected, noun)}, the model gave {found:,}")


def _with_empty(case: Case, texts: Sequence[str], ranking: Ranking) -> Ranking:
    """The ranking of the candidates with text, `texts`, as one of all: an empty one is never chosen."""
    _require_length("rank", "candidate score", len(ranking.sums), len(texts))
    if len(texts) == len(case.candidates):
        return ranking
    at = [i for i, text in enumerate(case.candidates) if text.strip()]
    sums = np.full(len(case.candidates), -np.inf)
    num_tokens, num_bytes = np.ones(len(sums), np.int64), np.zeros(len(sums), np.int64)
    sums[at], num_tokens[at], num_bytes[at] = ranking.sums, ranking.num_tokens, ranking.num_bytes
    return Ranking(sums=sums, num_tokens=num_tokens, num_bytes=num_bytes)


def ranked(protocol: Protocol, case: Case, ranking: Ranking) -> Prediction:
    """The prediction of a ranking: the best candidate, or the best label if the candidates are words of labels.

    A score that is not a number makes it an error.
    """
    # The loss a token is made of sums, whatever the normalisation.
    normalisation = "sum" if protocol.candidates == "answer" else protocol.normalisation
    scores, names = ranking.scores(normalisation), case.candidates
    if np.isnan(scores).any():
        return Prediction(id=case.id, error=f"the score of candidate {int(np.isnan(scores).argmax())} is not a number")
    if protocol.candidates == "verbalisers":
        scores, names = _of_labels(protocol, scores), protocol.labels
    best = int(np.argmax(scores))  # the first of equals
    kept = range(len(scores)) if len(scores) <= _ALL_SCORES else np.argsort(-scores, kind="stable")[:_TOP].tolist()
    return Prediction(
        id=case.id,
        answer=names[best],
        choice=best,
        scores={int(i): float(scores[i]) for i in kept},
        num_tokens=int(ranking.num_tokens[0]) if protocol.candidates == "answer" else None,
    )


def _of_labels(protocol: Protocol, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The score of each label from those of its words, which follow one another."""
    ends = np.cumsum([len(words) for words in protocol.verbalisers.values()])
    parts = np.split(scores, ends[:-1])
    join = np.logaddexp.reduce if protocol.aggregation == "logsumexp" else np.max
    return np.array([join(part) for part in parts])
