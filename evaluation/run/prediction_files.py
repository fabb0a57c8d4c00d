"""Predictions on disk: JSON lines that a stopped run continues, and one file in the order of the cases at the end.

Each process appends to its own `predictions-R-of-W.part`, a batch at a time, and `run.json` says what all of them were
made from. When every process has finished, the first one puts all lines into `predictions.jsonl`.
"""

import fcntl
import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ib_data.errors import IbDataError
from ib_data.evaluation.case import Case, Prediction
from ib_data.replacing import replacing

RUN, PREDICTIONS = "run.json", "predictions.jsonl"
_POLL_S = 0.2


class PredictionFiles:
    """The predictions of one dataset in `folder`; `done` are those that are there already, by case id.

    `made_from` is everything that predictions depend on. Raises IbDataError for a folder with predictions made from
    something else, and for one that another process writes.
    """

    def __init__(self, folder: Path, made_from: Mapping[str, Any], world: int = 1, rank: int = 0) -> None:
        self.folder, self.world, self.rank = folder, world, rank
        folder.mkdir(parents=True, exist_ok=True)
        self._require_same(made_from)
        self.part = folder / f"predictions-{rank}-of-{world}.part"
        names = [*folder.glob(PREDICTIONS), *sorted(folder.glob("predictions-*.part"))]
        found = {one.id: one for name in names for one in read_predictions(name)}
        # What failed is asked again: the memory of a GPU may suffice this time.
        self.done = {name: one for name, one in found.items() if not one.error}
        self.is_whole = (folder / PREDICTIONS).is_file() and len(self.done) == len(found)
        self._file = None if self.is_whole else self._opened()

    def __enter__(self) -> "PredictionFiles":
        return self

    def __exit__(self, *_given: object) -> None:
        if self._file:
            self._file.close()

    def add(self, predictions: Iterable[Prediction]) -> None:
        """Append predictions; after a kill they are still there."""
        assert self._file is not None
        found = list(predictions)
        self._file.write("".join(f"{json.dumps(plain(one), ensure_ascii=True)}\n" for one in found).encode())
        self._file.flush()
        self.done |= {one.id: one for one in found}

    def finish(self, cases: Sequence[Case]) -> Mapping[str, Prediction] | None:
        """All predictions by case id, once every process has finished; None in all processes but the first."""
        if self.is_whole:
            return self.done if self.rank == 0 else None
        self._mark(self.rank).touch()
        if self.rank:
            return None
        while not all(self._mark(rank).exists() for rank in range(self.world)):
            time.sleep(_POLL_S)
        for name in sorted(self.folder.glob("predictions-*.part")):
            if name != self.part:  # what this process wrote it has
                found = read_predictions(name)
                # An answer stays if an earlier try of another process failed.
                self.done |= {one.id: one for one in found if not one.error or one.id not in self.done}
        with replacing(self.folder / PREDICTIONS) as path:
            lines = (json.dumps(plain(self.done[case.id]), ensure_ascii=True) for case in cases)
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for pattern in ("predictions-*.part", "predictions-*.finished"):
            for name in self.folder.glob(pattern):
                name.unlink()
        return self.done

    def _mark(self, rank: int) -> Path:
        return self.folder / f"predictions-{rank}-of-{self.world}.finished"

    def _opened(self) -> Any:
        """The part of this process, without an unfinished last line."""
        file = self.part.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until the file is closed
        except BlockingIOError as error:
            file.close()
            raise IbDataError(f"{self.part}: another process writes it; wait for it, or name another --out") from error
        data = self.part.read_bytes()
        file.truncate(data.rfind(b"\n") + 1)
        return file

    def _require_same(self, made_from: Mapping[str, Any]) -> None:
        path, wanted = self.folder / RUN, json.loads(json.dumps(made_from))
        if not path.exists():
            with replacing(path) as part:
                part.write_text(json.dumps(wanted, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            return
        before: Any = None
        with suppress(ValueError, OSError):
            before = json.loads(path.read_text(encoding="utf-8"))
        remedy = f"remove {self.folder} to start again, or name another --out"
        if not isinstance(before, dict):
            raise IbDataError(f"{path}: not the beginning of an evaluation; {remedy}")
        for key in {**wanted, **before}:
            if before.get(key) != wanted.get(key):
                raise IbDataError(f"{path}: was made from another {key.replace('_', ' ')}; {remedy}")


def plain(prediction: Prediction) -> dict[str, Any]:
    """A prediction as JSON values, without what it does not have."""
    values: dict[str, Any] = {"id": prediction.id, "answer": prediction.answer}
    for name in ("choice", "scores", "num_tokens", "is_truncated", "error"):
        if (value := getattr(prediction, name)) not in (None, "", {}):
            values[name] = {str(key): score for key, score in value.items()} if name == "scores" else value
    return values


def prediction_of(values: Mapping[str, Any]) -> Prediction:
    """The prediction that `plain` gave these values of. Raises TypeError or ValueError for others."""
    scores = {int(key): float(value) for key, value in values.get("scores", {}).items()}
    return Prediction(**{**values, "scores": scores})


def read_predictions(path: Path) -> Iterator[Prediction]:
    """The predictions in a file of JSON lines; an unfinished last line is none.

    Raises IbDataError, with file and line, for a line that is not a prediction.
    """
    data = path.read_bytes()
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            values = json.loads(line)
            found = prediction_of(values)
            if not isinstance(found.id, str) or any(map(math.isnan, found.scores.values())):
                raise ValueError("no id, or a score that is not a number")
            yield found
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise IbDataError(f"{path}: line {number} is not a prediction ({error}); remove the file") from error
