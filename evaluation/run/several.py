"""One run over several datasets, and its report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any

from ib_data.cards import load_card
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.report.writing import write_report
from ib_data.evaluation.results.writing import submission_of, write_submission
from ib_data.evaluation.run.leakage import with_leakage
from ib_data.evaluation.run.run import Run
from ib_data.evaluation.scoring.evaluated import Evaluated, Shuffled
from ib_data.stored.built_split import BuiltSplit, open_built


def evaluate_all(run: Run, protocols: Sequence[Protocol], shuffle_seed: int | None = None) -> dict[str, Any] | None:
    """Evaluate the datasets one after the other and write the report; its JSON, or None in processes but the first.

    With `shuffle_seed` each question is asked about another example's image too. Raises what `Run.evaluate` raises;
    what is done of earlier datasets is kept.
    """
    found: list[Evaluated] = []
    for protocol in protocols:
        evaluated = run.evaluate(protocol)
        other = None if shuffle_seed is None else _shuffled(run, protocol, shuffle_seed)
        if evaluated is not None:
            evaluated = replace(evaluated, shuffled=other)
            found.append(_completed(run, evaluated))
    if run.rank:
        return None
    by_name = {one.protocol.dataset: one for one in found}

    @cache
    def built(dataset: str) -> BuiltSplit:
        return open_built(run.store, load_card(dataset).stored_as, by_name[dataset].protocol.split)

    def media(dataset: str, key: str) -> bytes | None:
        return built(dataset).media(key)

    return write_report(run.folder, found, media)


def _shuffled(run: Run, protocol: Protocol, seed: int) -> Shuffled | None:
    """The same questions with exchanged images; their predictions have a folder of their own."""
    other = replace(run, shuffle_seed=seed, folder=run.folder / f"shuffled-{seed}").evaluate(protocol)
    return None if other is None else Shuffled(seed=seed, predictions=other.predictions, scores=other.scores)


def folder_name(run: Run, changes: Mapping[str, Any]) -> str:
    """A name for the folder of a run: that of the model, and a hash of its values and of `changes` to the protocols.

    It does not depend on which datasets are named, so that their predictions are found again.
    """
    how = [run.model.identity, run.number, run.prompt, run.decoding, changes]
    digest = sha256(dumps(how, sort_keys=True, default=str).encode()).hexdigest()
    return f"{Path(run.model.identity['name']).name}-{digest[:8]}"


def _completed(run: Run, evaluated: Evaluated) -> Evaluated:
    """With leakage; the predictions of hidden answers are written as their server wants them, with a warning."""
    protocol = evaluated.protocol
    place, warnings = f"{protocol.dataset}/{protocol.split}", list(evaluated.warnings)
    card = load_card(protocol.dataset)
    if evaluated.is_hidden or submission_of(card, protocol.split):
        name = Path(str(evaluated.model["name"])).name
        aligned = (evaluated.cases, evaluated.predictions, name, protocol.labels)
        path = write_submission(run.folder / protocol.dataset, card, protocol.split, *aligned)
        state = "nothing is scored, the answers are not public" if evaluated.is_hidden else "a server scores it too"
        warnings.append(f"{place}: {state}; the predictions for the server are in {path}")
    return with_leakage(replace(evaluated, warnings=warnings), run.model.trained_on, run.store)
