"""Reads the protocol of a dataset from the table `evaluation` of its card."""

from dataclasses import replace
from typing import Any

from ib_data.cards import Card
from ib_data.errors import DataError, IbDataError, did_you_mean
from ib_data.evaluation.choices import AGGREGATIONS, CANDIDATES, METHODS, NORMALISATIONS
from ib_data.evaluation.decoding import PRESETS
from ib_data.evaluation.protocols.protocol import Protocol, is_captioning
from ib_data.evaluation.scoring.metrics import METRICS
from ib_data.strict import Table


def protocol_of(card: Card, *, method: str | None = None, split: str | None = None, **changes: Any) -> Protocol:
    """The protocol of a dataset, by the paper's method unless another is named, with single values changed.

    Raises DataError for a card whose table has an unknown key or value, and IbDataError for a dataset without a
    protocol, for a method, a split or a profile it does not have, and for a value that is not allowed.
    """
    table = Table.of(card.evaluation, card.name, f"cards/{card.name}.md", "evaluation")
    methods = methods_of(card)
    if not methods:
        raise IbDataError(f"{card.name}: its card has no table `evaluation`; docs/evaluation.md says how to write one")
    chosen = method or table.get("method", str, methods[0])
    if chosen not in methods:
        raise IbDataError(f"{card.name}: unknown method {chosen!r}; {did_you_mean(chosen, methods)}")
    shared = {k: v for k, v in table.values.items() if k not in (*METHODS, "method", "split", "results")}
    own = table.table(chosen).values
    chosen_split = split or table.get("split", str, card.used_split)
    if chosen_split not in card.splits:
        raise IbDataError(f"{card.name} has no split {chosen_split!r}; it has {', '.join(card.splits)}")
    values = {"metric": card.metric, **shared, **own}
    if "metric" in own:  # a profile belongs to a metric
        values = {k: v for k, v in values.items() if k not in ("profile", "other_profiles") or k in own}
    fixed = {"dataset": card.name, "split": chosen_split, "method": chosen, **changes}
    found = Table(values, card.name, table.file, table.path).into(Protocol, **fixed)
    if found.metric not in METRICS:
        raise table.error(f"metric: unknown value {found.metric!r}", did_you_mean(found.metric, METRICS))
    found = replace(
        found,
        profile=found.profile or next(iter(METRICS[found.metric].profiles), ""),
        golds=_golds(card, found),  # type: ignore[arg-type]  # a Literal
    )
    _check(card, found, table)
    return found


def methods_of(card: Card) -> tuple[str, ...]:
    """The methods that the card has a table for."""
    return tuple(name for name in METHODS if name in card.evaluation)


def _golds(card: Card, protocol: Protocol) -> str:
    """What a prediction is compared with."""
    fields = card.splits[protocol.split].fields
    has_options = "answer_index" in fields and "answers" not in fields
    if METRICS[protocol.metric].of_options or has_options:
        return "option"
    if is_captioning(card):
        return "captions"
    if card.task == "question_generation":
        return "question"
    return "label" if protocol.verbalisers else "answers"


def _check(card: Card, protocol: Protocol, table: Table) -> None:
    """Raise DataError for names that no code knows, and IbDataError for a profile the metric does not have."""
    allowed = {"aggregation": AGGREGATIONS, "normalisation": NORMALISATIONS}
    if protocol.method == "rank":
        allowed["candidates"] = CANDIDATES
    for name, values in allowed.items():
        if (value := getattr(protocol, name)) not in values:
            raise table.error(f"{name}: unknown value {value!r}", did_you_mean(value, values))
    if protocol.method == "generate" and (preset := protocol.decoding.get("preset")) not in PRESETS:
        raise table.error(f"decoding: unknown preset {preset!r}", did_you_mean(str(preset), PRESETS))
    if protocol.candidates == "vocabulary" and not protocol.vocabulary_least:
        raise table.error("candidates is vocabulary, but vocabulary_least is missing")
    known = METRICS[protocol.metric].profiles
    for profile in (*protocol.other_profiles, *([protocol.profile] if protocol.profile else [])):
        if profile not in known:
            expected = did_you_mean(profile, known) if known else f"{protocol.metric} has none"
            raise DataError(card.name, f"unknown profile {profile!r}", file=table.file, remedy=expected)
