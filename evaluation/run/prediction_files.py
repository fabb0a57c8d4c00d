"""Predictions on disk: JSON lines that a stopped run continues, and one file in the order of the cases at the end.

Each process appends to its own `predictions-R-of-W.part`, a batch at a time, and holds its lock while it works;
`run.json` says what all of them were made from. When nobody works any more and every case has a prediction, the first
process puts all lines into `predictions.jsonl`.
"""

import fcntl
import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ib_data.console import note
from ib_data.errors import IbDataError, quoted
from ib_data.evaluation.case import Case, Prediction
from ib_data.replacing import replacing

RUN, PREDICTIONS = "run.json", "predictions.jsonl"
_POLL_S, _SAY_S = 0.2, 60.0
_TRIES = 25  # of taking a lock: the first process takes each for a moment, to see whether it is free
# When this process began: a failure that another one wrote down earlier is of an earlier run.
_BEGAN = time.time()


class PredictionFiles:
    """The predictions of one dataset in `folder`; `done` are those that are there already, by case id.

    What failed is not among them: it is asked again, since the memory of a GPU may suffice this time. `made_from` is
    everything that predictions depend on. Raises IbDataError for a folder with predictions made from something else,
    and for one that another process writes.
    """

    def __init__(self, folder: Path, made_from: Mapping[str, Any], world: int = 1, rank: int = 0) -> None:
        self.folder, self.world, self.rank = folder, world, rank
        folder.mkdir(parents=True, exist_ok=True)
        self._require_same(made_from)
        self.part = folder / f"predictions-{rank}-of-{world}.part"
        self._fault = folder / f"predictions-{rank}-of-{world}.failed"
        found = self._read_all()
        self.done = {name: one for name, one in found.items() if not one.error}
        self.is_whole = (folder / PREDICTIONS).is_file() and len(self.done) == len(found)
        self._file = None if self.is_whole else self._opened()
        self._fault.unlink(missing_ok=True)

    def __enter__(self) -> "PredictionFiles":
        return self

    def __exit__(self, _kind: type | None, error: BaseException | None, _trace: object) -> None:
        if self._file:
            self._file.close()
        if isinstance(error, IbDataError):  # so that the first process does not wait for this one
            self._fault.write_text(str(error), encoding="utf-8")

    def add(self, predictions: Iterable[Prediction]) -> None:
        """Append predictions; after a kill they are still there."""
        assert self._file is not None
        found = list(predictions)
        self._file.write("".join(f"{json.dumps(plain(one), ensure_ascii=True)}\n" for one in found).encode())
        self._file.flush()
        self.done |= {one.id: one for one in found}

    def finish(self, cases: Sequence[Case]) -> Mapping[str, Prediction] | None:
        """All predictions by case id, once every process has finished; None in all processes but the first.

        Raises IbDataError if another process has failed.
        """
        if self.is_whole or self.rank:
            return None if self.rank else self.done
        found = self._waited(cases)
        with replacing(self.folder / PREDICTIONS) as path, path.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(plain(found[case.id]), ensure_ascii=True)}\n" for case in cases)
        for name in self._parts():
            if not self._is_busy(name):  # a process that came late keeps what it does
                name.unlink()
        return found

    def _waited(self, cases: Sequence[Case]) -> dict[str, Prediction]:
        """All predictions, once nobody works and every case has one. Says every minute that it waits."""
        said = time.monotonic()
        while True:
            self._require_no_failure()
            if not any(map(self._is_busy, self._parts())):
                found = self._read_all() if self.world > 1 else self.done
                if all(case.id in found for case in cases):
                    return found
            if time.monotonic() - said > _SAY_S:
                note(f"{self.folder}: waiting for the predictions of the other {self.world - 1} processes")
                said = time.monotonic()
            time.sleep(_POLL_S)

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("predictions-*.part"))

    def _read_all(self) -> dict[str, Prediction]:
        """Every prediction by case id. An answer stays, whatever failed before or after it."""
        found: dict[str, Prediction] = {}
        for name in [*self.folder.glob(PREDICTIONS), *self._parts()]:
            for one in read_predictions(name):
                if one.id not in found or not one.error:
                    found[one.id] = one
        return found

    def _require_no_failure(self) -> None:
        for path in self.folder.glob(f"predictions-*-of-{self.world}.failed"):
            if path.stat().st_mtime >= _BEGAN:
                raise IbDataError(f"another process failed: {path.read_text(encoding='utf-8')}")

    def _is_busy(self, part: Path) -> bool:
        """Whether another process holds the lock of a part."""
        if part == self.part:
            return False
        with part.open("rb") as file:
            return not _locked(file)

    def _opened(self) -> Any:
        """The part of this process, locked until it is closed, without an unfinished last line."""
        file = self.part.open("ab")
        for _ in range(_TRIES):
            if _locked(file):
                file.truncate(self.part.read_bytes().rfind(b"\n") + 1)
                return file
            time.sleep(_POLL_S)
        file.close()
        raise IbDataError(f"{self.part}: another process writes it; wait for it, or name another --out")

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
                change = _change(before.get(key), wanted.get(key))
                raise IbDataError(f"{path}: was made from another {key.replace('_', ' ')}{change}; {remedy}")


def _change(before: Any, now: Any) -> str:
    """The first setting in which two tables differ, or two short values, in brackets; empty for anything long."""
    if isinstance(before, dict) and isinstance(now, dict):
        name = next(name for name in {**now, **before} if before.get(name) != now.get(name))
        return f" ({name} was {quoted(before.get(name), 40)}, is {quoted(now.get(name), 40)})"
    was, text = quoted(before, 400), quoted(now, 400)
    return f" (was {was}, is {text})" if len(was) + len(text) < 200 else ""


def _locked(file: IO[bytes]) -> bool:
    """Lock a file until it is closed; False if another process holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def plain(prediction: Prediction) -> dict[str, Any]:
    """A prediction as JSON values, without what it does not have. JSON has no infinity: such scores are left out."""
    values: dict[str, Any] = {"id": prediction.id, "answer": prediction.answer}
    for name in ("choice", "scores", "num_tokens", "is_truncated", "error"):
        if (value := getattr(prediction, name)) not in (None, "", {}):
            values[name] = value
    if "scores" in values:
        values["scores"] = {str(key): score for key, score in prediction.scores.items() if math.isfinite(score)}
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
