"""Which checkpoints of a run stay: the last, the best, and the newest few besides. Does not import torch.

What a checkpoint's validation gave is in its own `state.json`, so no other file can disagree on which one is best. A
name other than step-NNNNNN is never taken for a checkpoint: removal and replacement rename a folder first.
"""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ib_data.errors import IbDataError
from ib_data.replacing import SUFFIX
from ib_data.training.loop.record import STATE, checkpoints_of, read_record

# Ends of the names of folders that are being removed, that wait for their place, and that make place for another.
_REMOVED, _NEW, _REPLACED = ".removed", ".new", ".replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The validation loss of a checkpoint, and the fingerprint of the examples that gave it."""

    mean: float
    examples: str


def best(run: Path) -> Path | None:
    """The checkpoint of `run` with the lowest validation loss, or None if none was validated; not verified.

    Only losses over the same examples are compared: those of the checkpoint that was validated last. The earlier one of
    two equal ones is better.
    """
    return _best(checkpoints_of(run))


def best_of(run: Path) -> Path:
    """The best checkpoint of `run`. Raises IbDataError if none was validated."""
    if found := best(run):
        return found
    problem = f"{run}: no checkpoint of it was validated, so none is best"
    raise IbDataError(f"{problem}; name a checkpoint, or train with validate_every above 0")


def prune(run: Path, num_more: int, say: Callable[[str], None]) -> None:
    """Remove checkpoints besides the last, the best and the newest `num_more` others.

    What cannot be removed is reported and stays: a run does not end for it.
    """
    folders = checkpoints_of(run)
    kept = {*folders[:1], _best(folders)}
    others = [folder for folder in folders if folder not in kept]
    for folder in others[num_more:]:
        try:
            _remove(folder)
        except OSError as error:
            say(f"{folder}: cannot be removed ({error.strerror}); remove it by hand")


def beside(folder: Path) -> Path:
    """Where to write a checkpoint before `replace_folder` puts it in the place of `folder`."""
    return folder.with_name(f"{folder.name}{_NEW}")


def replace_folder(folder: Path, new: Path) -> None:
    """Put the whole checkpoint `new` in the place of `folder`. Raises OSError.

    Killed between the two renames, `clean_up` takes the old one back.
    """
    aside = folder.with_name(f"{folder.name}{_REPLACED}")
    folder.rename(aside)
    try:
        new.rename(folder)
    finally:
        if not folder.exists():
            aside.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)


def clean_up(run: Path) -> None:
    """Finish what a killed process began in a run folder: replaced checkpoints return, and leftovers are removed."""
    for aside in run.glob(f"step-*{_REPLACED}"):
        folder = aside.with_name(aside.name.removesuffix(_REPLACED))
        if not folder.exists():
            aside.rename(folder)
    for suffix in (_REPLACED, _REMOVED, _NEW, SUFFIX):
        for path in run.glob(f"step-*{suffix}"):
            shutil.rmtree(path, ignore_errors=True)


def score_of(folder: Path) -> Score | None:
    """The validation loss in a checkpoint's state, or None if there is none or the state is damaged."""
    try:
        data = (folder / STATE).read_bytes()
        record = read_record(folder)
        if record.files[STATE].sha256 != sha256(data).hexdigest():
            return None
        found = json.loads(data)["validation"]
        has_mean = found.get("mean") is not None
        return Score(mean=float(found["mean"]), examples=str(found["examples"])) if has_mean else None
    except (OSError, IbDataError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _best(folders: Iterable[Path]) -> Path | None:
    """The best of checkpoints, given with the highest step first."""
    scores = [(folder, score) for folder in folders if (score := score_of(folder)) is not None]
    same = [(folder, score) for folder, score in scores if score.examples == scores[0][1].examples]
    # The last of equal minima in this order is the earliest step.
    return min(reversed(same), key=lambda pair: pair[1].mean, default=(None, None))[0]


def _remove(folder: Path) -> None:
    """Remove a checkpoint; interrupted halfway, what is left has another name. Raises OSError."""
    aside = folder.with_name(f"{folder.name}{_REMOVED}")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    shutil.rmtree(aside)
