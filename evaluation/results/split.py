"""Scores a file of predictions against a built split, by the protocol of the dataset's card; needs no model."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ib_data.cards import Card
from ib_data.errors import DataError, IbDataError, did_you_mean
from ib_data.evaluation.case import Prediction
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.protocols.read import methods_of, protocol_of
from ib_data.evaluation.results.form import results_form
from ib_data.evaluation.results.reading import Allowed, Results, read_results
from ib_data.evaluation.results.writing import submission_of
from ib_data.evaluation.run.about_build import with_build
from ib_data.evaluation.run.cases import bare_cases, is_left_out
from ib_data.evaluation.run.vocabulary import known_vocabulary
from ib_data.evaluation.scoring.evaluated import Evaluated
from ib_data.evaluation.scoring.golds import readable
from ib_data.evaluation.scoring.metrics import METRICS
from ib_data.evaluation.scoring.scored import scored
from ib_data.home import Home
from ib_data.stored.built_split import BuiltSplit, open_built
from ib_data.stored.manifest import DROPS, INDEX, built_folders
from ib_data.stored.store import LocalStore

_MOST_TRIED = 100  # ids that are looked up in other splits


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOptions:
    """What is scored how. None is what the card says; `number`: only so many cases, those of `evaluate -n`;
    0: all, or the part that the card names."""

    split: str | None = None
    method: str | None = None
    metric: str | None = None
    profile: str | None = None
    number: int = 0
    allow_missing: bool = False
    allow_extra: bool = False


def score_split(home: Home, card: Card, path: Path, options: ScoreOptions) -> Evaluated:
    """The scores of the predictions in a file; what was let pass is among the warnings.

    Raises DataError for a file that does not fit, NotBuiltError for a split that is not built, and IbDataError for a
    metric, a method or a profile that the dataset does not have.
    """
    protocol = _protocol(card, options)
    built = open_built(home, card.stored_as, protocol.split)
    every = list(bare_cases(built, card))
    number = options.number or protocol.part
    wanted = {case.id for case in (bare_cases(built, card, number) if number else every)}
    cases = [case for case in every if case.id in wanted and not is_left_out(case, protocol)]
    ids = {case.id for case in cases}
    allowed = Allowed(
        missing=options.allow_missing,
        extra=options.allow_extra,
        unscored=[case for case in every if case.id not in ids],
        left_out=_left_out(built),
        elsewhere=lambda found: _elsewhere(home, found, built.folder),
    )
    results = read_results(path, card, cases, allowed, protocol.labels)
    if any(readable(protocol, case) for case in cases):  # else the predictions are only written for the server
        _require_scores(path, protocol, results.predictions)
    vocabulary = known_vocabulary(LocalStore(home), card, protocol)
    found = scored(protocol, cases, {one.id: one for one in results.predictions}, vocabulary)
    model = {"name": path.name, "sha256": sha256(path.read_bytes()).hexdigest(), "kind": "predictions from a file"}
    found = replace(found, model=model, warnings=[*_warnings(card, built, results, options), *found.warnings])
    return with_build(found, card, built, number)


def hidden_error(card: Card, split: str) -> IbDataError:
    """The error for a split without public answers: where they are scored, and how the file for it is written."""
    wanted, place = submission_of(card, split), f"{card.name}/{split}"
    if wanted is None:
        return IbDataError(f"{place}: no answer is built, so that nothing can be scored; choose another --split")
    remedy = f"add --out FOLDER to write {wanted.file.format(model='MODEL')} for it"
    return IbDataError(f"{place}: the answers are not public; they are scored by {wanted.server}; {remedy}")


def _protocol(card: Card, options: ScoreOptions) -> Protocol:
    changes: dict[str, Any] = {}
    if options.metric is not None:
        known = _metrics_of(card)
        metric = next((name for name in (options.metric, f"{options.metric}-accuracy") if name in known), None)
        if metric is None:
            raise IbDataError(f"{card.name}: unknown metric {options.metric!r}; {did_you_mean(options.metric, known)}")
        changes = {"metric": metric}
        if metric != protocol_of(card, method=options.method, split=options.split).metric:
            changes |= {"profile": "", "other_profiles": ()}  # which belong to the metric of the card
    if options.profile is not None:
        changes["profile"] = options.profile
    return protocol_of(card, method=options.method, split=options.split, **changes)


def _metrics_of(card: Card) -> Collection[str]:
    """The metrics of the card, and those that need only texts and such references as the card has."""
    tables = [card.evaluation[method] for method in methods_of(card)]
    of_card = [card.metric, *(table["metric"] for table in tables if "metric" in table)]
    has_annotators = bool(card.evaluation.get("annotators"))
    of_texts = [name for name, metric in METRICS.items() if metric.function]
    return dict.fromkeys([*of_card, *(name for name in of_texts if has_annotators or not METRICS[name].of_annotators)])


def _left_out(built: BuiltSplit) -> Collection[str]:
    """The ids of the source's rows that the build dropped."""
    path = built.folder / DROPS
    if not path.is_file():
        return ()
    with pq.ParquetFile(path) as file:
        return set(file.read(columns=["source_id"]).column("source_id").to_pylist())


def _elsewhere(home: Home, ids: Sequence[str], own: Path) -> str | None:
    """The first other built split that has one of the ids, as DATASET/SPLIT; None if none has."""
    wanted = set(ids[:_MOST_TRIED])
    for folder in built_folders(home):
        if folder == own or not (folder / INDEX).is_file():
            continue
        with pq.ParquetFile(folder / INDEX) as file:
            table = file.read(columns=["id", "key"])
        names = {key.split("-", 2)[-1].lstrip("0") for key in table.column("key").to_pylist()}
        if wanted & names or not wanted.isdisjoint(table.column("id").to_pylist()):
            return f"{folder.parent.name}/{folder.name}"
    return None


def _require_scores(path: Path, protocol: Protocol, predictions: Sequence[Prediction]) -> None:
    """Raise DataError for a prediction without scores, or without that of a label, if the metric compares scores."""
    needed = METRICS[protocol.metric].needs
    for found in predictions if needed else ():
        if found.error:
            continue
        if not found.scores:
            problem = f"id {found.id!r}: {protocol.metric} needs {needed}, found only {found.answer!r}"
            remedy = "add them, or score the answers alone with --metric accuracy"
            raise DataError(protocol.dataset, problem, file=str(path), remedy=remedy)
        missing = [label for index, label in enumerate(protocol.labels) if index not in found.scores]
        if missing:
            problem = f"id {found.id!r}: {protocol.metric} needs the score of each label, found none of {missing[0]!r}"
            raise DataError(protocol.dataset, problem, file=str(path), remedy="add it")


def _warnings(card: Card, built: BuiltSplit, results: Results, options: ScoreOptions) -> list[str]:
    """What was let pass while the file was read."""
    place = f"{card.name}/{built.split}"
    found = [f"{place}: {line}" for line in results.notes]
    has_choices = bool(results_form(card).choice) and any(one.choice is not None for one in results.predictions)
    if has_choices and options.method is None:
        found.append(f"{place}: the chosen options in the file are scored by --method rank")
    return found
