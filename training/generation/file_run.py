"""Answers a whole file: progress, output, what to do after a stop, and the summary of lines without an answer."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ib_data.console import Progress, count_text, error, note
from ib_data.errors import IbDataError
from ib_data.evaluation.decoding import Decoding
from ib_data.home import Home
from ib_data.interrupts import Interrupts
from ib_data.training.generation.answer_file import AnswerFile, json_line
from ib_data.training.generation.answerer import Answerer
from ib_data.training.generation.batch import Outcome, answer_batches
from ib_data.training.generation.opened import identity
from ib_data.training.generation.questions import QuestionFile

_MOST_SHOWN = 10  # lines without an answer that are printed; all are in the output


@dataclass(slots=True, kw_only=True)
class FileRun:
    """Questions of a file and how to answer them; without `output` the lines go to standard output."""

    answerer: Answerer
    file: QuestionFile
    decoding: Decoding
    batch_size: int
    num_frames: int
    output: Path | None = None
    num_faults: int = 0

    def run(self, home: Home) -> None:
        """Write a line for each question, in order, after each batch.

        Raises IbDataError at the end if a question has no answer, and Interrupted after the batch in which a signal
        came. With an output the same command then continues.
        """
        total = len(self.file.questions)
        with ExitStack() as stack, Interrupts() as interrupts:
            output = stack.enter_context(AnswerFile(self.output, self._made_from(home))) if self.output else None
            done = 0 if output is None else output.num_done
            if output and done:
                note(f"{output.part}: continuing after {count_text(done, 'answer')}")
                self.num_faults = output.num_faults
            shown = stack.enter_context(Progress("answering", total, "question", done=done))
            try:
                batches = self._batches(done)
                for _ in range(done, total, self.batch_size):
                    with interrupts.step("finishing the batch"):
                        outcomes = next(batches)
                        self._put(outcomes, output)
                        shown.add(len(outcomes))
            except KeyboardInterrupt as stop:
                kept = "; the same command continues" if output else ""
                raise interrupts.stopped(f" after {shown.done:,} of {count_text(total, 'question')}{kept}") from stop
            if output:
                output.finish()
        self._summarise(total)

    def _batches(self, done: int) -> Iterator[list[Outcome]]:
        questions = self.file.questions[done:]
        return answer_batches(self.answerer, questions, self.decoding, self.batch_size, self.num_frames)

    def _put(self, outcomes: list[Outcome], output: AnswerFile | None) -> None:
        lines = [outcome.line() for outcome in outcomes]
        if output:
            output.add(lines)
        else:
            print("\n".join(map(json_line, lines)), flush=True)
        for outcome in outcomes:
            if outcome.fault:
                self.num_faults += 1
                if self.num_faults <= _MOST_SHOWN:
                    error(f"{self.file.path}: {outcome.fault}")

    def _summarise(self, total: int) -> None:
        if self.output:
            note(f"{self.output}: {count_text(total, 'line')}")
        if self.num_faults:
            have = "has" if self.num_faults == 1 else "have"
            problem = f"{self.num_faults:,} of {count_text(total, 'question')} {have} no answer"
            remedy = "`error` in the output says why; correct them and ask again with --input"
            raise IbDataError(f"{self.file.path}: {problem}: {remedy}")

    def _made_from(self, home: Home) -> Mapping[str, Any]:
        """Everything that answers depend on but the contents of images and clips. Each key is a word of a message."""
        answerer = self.answerer
        return {
            "questions": self.file.sha256,
            "folder": str(self.file.path.resolve().parent),  # of relative paths
            "prompt": self.file.default_prompt,
            "model": identity(answerer, home),
            "bos_token": answerer.bos_token,
            "activation": answerer.activation,
            "precision": str(answerer.dtype),
            "device": answerer.device.type,
            "decoding": asdict(self.decoding),
            "frames": self.num_frames,
        }
