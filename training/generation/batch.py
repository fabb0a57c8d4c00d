"""Answers the lines of a file in batches; images are read while the batch before is answered."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ib_data.errors import IbDataError, MissingExtraError
from ib_data.evaluation.answering import Asked, Frames
from ib_data.evaluation.decoding import Decoding
from ib_data.training.generation.answerer import Answerer, Prepared
from ib_data.training.generation.frames import read_frames
from ib_data.training.generation.questions import Question

_READERS = 4
_Read = Mapping[tuple[str, Path], "Future[Frames]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer to a question, or `fault`, why it has none."""

    question: Question
    answer: str = ""
    fault: str = ""

    def line(self) -> dict[str, Any]:
        """The values of the question's line with `answer`, or with `error`."""
        result = {"error": self.fault} if self.fault else {"answer": self.answer}
        return {**self.question.values, **result}


def answer_batches(
    answerer: Answerer, questions: Sequence[Question], decoding: Decoding, batch_size: int, num_frames: int
) -> Iterator[list[Outcome]]:
    """The outcomes of `batch_size` questions at a time, in order.

    An image that several questions of a batch share is read and encoded once. A question that cannot be answered is
    an outcome and does not stop the others. Raises MissingExtraError for a clip without PyAV, and IbDataError if the
    memory of the GPU does not suffice for a batch.
    """
    waiting: deque[tuple[Sequence[Question], _Read]] = deque()
    pool = ThreadPoolExecutor(_READERS)
    try:
        for first in range(0, len(questions), batch_size):
            batch = questions[first : first + batch_size]
            wanted = dict.fromkeys((question.kind, path) for question in batch for path in question.paths)
            waiting.append(
                (batch, {(k, p): pool.submit(read_frames, p, k, answerer.image_px, num_frames) for k, p in wanted})
            )
            if len(waiting) > 1:
                yield _answered(answerer, *waiting.popleft(), decoding)
        while waiting:
            yield _answered(answerer, *waiting.popleft(), decoding)
    finally:
        pool.shutdown(cancel_futures=True)


def _answered(answerer: Answerer, batch: Sequence[Question], read: _Read, decoding: Decoding) -> list[Outcome]:
    prepared: dict[int, Prepared] = {}
    faults: dict[int, str] = {}
    for question in batch:
        try:
            prepared[question.number] = _prepared(answerer, question, read, decoding)
        except MissingExtraError:
            raise
        except IbDataError as error:
            faults[question.number] = question.fault or f"line {question.number}: {error}"
    answers = dict(zip(prepared, answerer.answers(list(prepared.values()), decoding), strict=True))
    return [
        Outcome(question=q, answer=answers.get(q.number, ""), fault=faults.get(q.number, "")) for q in batch
    ]  # fmt: skip


def _prepared(answerer: Answerer, question: Question, read: _Read, decoding: Decoding) -> Prepared:
    """What a line asks, as the model takes it. Raises IbDataError if it cannot be answered."""
    if question.fault:
        raise IbDataError(question.fault)
    asked = Asked(question.prompt, [read[question.kind, path].result() for path in question.paths])
    return answerer.prepared(asked, decoding)
