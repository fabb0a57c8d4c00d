"""One run over several datasets, and its report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any

from ib_data.cards import load_card
from ib_data.console import error
from ib_data.errors import IbDataError
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.report.writing import Media, write_report
from ib_data.evaluation.results.writing import submission_of, write_submission
from ib_data.evaluation.run.leakage import with_leakage
from ib_data.evaluation.run.run import Run
from ib_data.evaluation.scoring.evaluated import Evaluated, Shuffled
from ib_data.stored.built_split import BuiltSplit, open_built
from ib_data.stored.store import Store


@dataclass(frozen=True, slots=True)
class Outcome:
    """The JSON of a report on the datasets of this command and of earlier ones; None in processes but the first.

    `faults`: why a dataset was not evaluated, by its name.
    """

    report: dict[str, Any] | None
    faults: Mapping[str, str]


def evaluate_all(run: Run, protocols: Sequence[Protocol], shuffle_seed: int | None = None) -> Outcome:
    """Evaluate the datasets one after the other and write the report.

    With `shuffle_seed` each question is asked about another example's image too. A dataset that cannot be evaluated
    does not stop the others, and its score stays if only the exchanged images fail. Raises Interrupted as
    `Run.evaluate`; what is done is kept.
    """
    found: list[Evaluated] = []
    faults: dict[str, str] = {}
    for protocol in protocols:
        try:
            evaluated = run.evaluate(protocol)
            if evaluated is not None:
                evaluated = _completed(run, evaluated)
                found.append(evaluated)
            other = None if shuffle_seed is None else _shuffled(run, protocol, shuffle_seed)
            if evaluated is not None:
                found[-1] = replace(evaluated, shuffled=other)
        except IbDataError as fault:
            faults[protocol.dataset] = str(fault)
            if protocol is not protocols[-1]:
                error(f"{protocol.dataset}: {fault}")
    if run.rank or not found:
        return Outcome(None, faults)

    return Outcome(write_report(run.folder, found, built_media(run.store)), faults)


def built_media(store: Store) -> Media:
    """The bytes of the image or clip of a sample, by dataset, split and key, from what is built in `store`."""

    @cache
    def built(dataset: str, split: str) -> BuiltSplit:
        return open_built(store, load_card(dataset).stored_as, split)

    return lambda dataset, split, key: built(dataset, split).media(key)


def folder_name(run: Run, changes: Mapping[str, Any]) -> str:
    """A name for the folder of a run: that of the model, and a hash of its values and of all that changes predictions.

    It does not depend on which datasets are named, so that their predictions are found again.
    """
    how = [dict(run.model.identity), run.number, run.prompt, run.decoding, run.only_best, changes]
    digest = sha256(dumps(how, sort_keys=True, default=str).encode()).hexdigest()
    return f"{Path(run.model.name).name}-{digest[:8]}"


def _shuffled(run: Run, protocol: Protocol, seed: int) -> Shuffled | None:
    """The same questions with exchanged images; their predictions have a folder of their own."""
    other = replace(run, shuffle_seed=seed, folder=run.folder / f"shuffled-{seed}").evaluate(protocol)
    return None if other is None else Shuffled(seed=seed, predictions=other.predictions, scores=other.scores)


def _completed(run: Run, evaluated: Evaluated) -> Evaluated:
    """With leakage; the predictions of hidden answers are written as their server wants them, with a warning."""
    protocol = evaluated.protocol
    place, warnings = f"{protocol.dataset}/{protocol.split}", list(evaluated.warnings)
    card = load_card(protocol.dataset)
    has_server = submission_of(card, protocol.split) is not None
    if evaluated.is_part and (evaluated.is_hidden or has_server):
        warnings.append(f"{place}: no file for a server: it wants every case")
    elif evaluated.is_hidden or has_server:
        aligned = (evaluated.cases, evaluated.predictions, Path(run.model.name).name, protocol.labels)
        path = write_submission(run.folder / protocol.dataset, card, protocol.split, *aligned)
        state = "nothing is scored, the answers are not public" if evaluated.is_hidden else "a server scores it too"
        warnings.append(f"{place}: {state}; the predictions for the server are in {path}")
    return with_leakage(replace(evaluated, warnings=warnings), run.model.trained_on, run.store)
