"""The JSON of a report. Scores are unrounded fractions; what is not a number is null, and a warning says so."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ib_data import __version__
from ib_data.errors import IbDataError
from ib_data.evaluation.report.examples import chosen, image_name, number
from ib_data.evaluation.report.published.differences import published
from ib_data.evaluation.report.shuffled import shuffled_values
from ib_data.evaluation.report.statistics import Images, interval
from ib_data.evaluation.scoring.evaluated import Evaluated

FORMAT = "ib_data report"
VERSION = 1
NUM_FREQUENT = 10


def report_of(evaluated: Sequence[Evaluated]) -> dict[str, Any]:
    """The report on one or more datasets, as values that JSON has.

    The first evaluated dataset names the model. Raises IbDataError if a dataset occurs twice, or a model differs.
    """
    names = [one.protocol.dataset for one in evaluated]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise IbDataError(f"{twice[0]}: evaluated twice; a report has each dataset once")
    models = [dict(one.model) for one in evaluated]
    if any(model != models[0] for model in models):
        raise IbDataError("the datasets were not evaluated with one model; write a report for each model")
    datasets = {name: dataset_report(one) for name, one in zip(names, evaluated, strict=True)}
    return {
        "format": FORMAT,
        "version": VERSION,
        "ib_data": __version__,
        "model": _plain(models[0]) if models else {},
        "warnings": warnings_of(datasets),
        "datasets": datasets,
    }


def dataset_report(evaluated: Evaluated) -> dict[str, Any]:
    """What the report says of one dataset."""
    protocol, scores = evaluated.protocol, evaluated.scores
    found = interval(scores, Images.of([image_name(case) for case in evaluated.cases]))
    return {
        "score": number(scores.score),
        "metric": protocol.metric,
        "profile": protocol.profile,
        "interval": None if found is None else list(found),
        "counts": _counts(evaluated),
        "split": protocol.split,
        "source_name": evaluated.split_source_name,
        "method": protocol.method,
        "prompt": evaluated.prompt,
        "decoding": _plain(evaluated.decoding),
        "ranking": _ranking(evaluated),
        "also": _plain(scores.also),
        "breakdown": _breakdown(evaluated),
        "lengths": _lengths(evaluated),
        "published": published(evaluated),
        "leakage": _plain(evaluated.leakage),
        "shuffled": shuffled_values(evaluated),
        "failures": [{"id": one.id, "error": one.error} for one in evaluated.predictions if one.error],
        "examples": chosen(evaluated),
        "note": protocol.note,
        "warnings": _warnings(evaluated),
    }


def _warnings(evaluated: Evaluated) -> list[str]:
    name, scores = evaluated.protocol.dataset, evaluated.scores
    found = list(evaluated.warnings)
    if evaluated.is_hidden:
        return [*found, f"{name}: no answer of split {evaluated.protocol.split} is public, so nothing is scored"]
    if number(scores.score) is None:
        found.append(f"{name}: the score is not a number")
    if num := sum(number(value) is None for value in scores.values):
        found.append(f"{name}: {num:,} of {len(scores.values):,} examples have a value that is not a number")
    if evaluated.shuffled and (num := sum(bool(one.error) for one in evaluated.shuffled.predictions)):
        found.append(f"{name}: {num:,} questions about other examples' images failed and count as wrong")
    lost = [key for key, value in scores.also.items() if number(value) is None]
    found += [f"{name}: no value for {key}: no case has one" for key in lost]
    return found


def warnings_of(datasets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What was trained on, first; then the warnings of the datasets, those that several have as one."""
    first = [values["leakage"]["line"] for values in datasets.values() if "line" in values["leakage"]]
    places: dict[str, list[str]] = {}
    for warning in (text for values in datasets.values() for text in values["warnings"]):
        place, colon, text = warning.partition(": ")
        places.setdefault(text if colon else warning, []).append(place if colon else "")
    return [*first, *(f"{_listed(names)}: {text}" if names[0] else text for text, names in places.items())]


def _listed(names: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(names))
    return ", ".join(distinct) if len(distinct) <= 5 else f"{', '.join(distinct[:4])} and {len(distinct) - 4} more"


def _counts(evaluated: Evaluated) -> dict[str, Any]:
    """`empty` are answers without text that did not fail. `used` counts annotations, `kind` says what is built."""
    predictions = evaluated.predictions
    return {
        "cases": len(evaluated.cases),
        "failed": sum(bool(one.error) for one in predictions),
        "empty": sum(not one.error and not one.answer.strip() for one in predictions),
        "truncated": sum(one.is_truncated is True for one in predictions),
        "images": len({image_name(case) for case in evaluated.cases}),
        "built": evaluated.num_built,
        "official": evaluated.official_size,
        "is_part": evaluated.is_part,
        "used": evaluated.num_used,
        "kind": list(evaluated.kind),
    }


def _ranking(evaluated: Evaluated) -> dict[str, Any]:
    """How candidates were ranked; empty if answers were generated."""
    protocol = evaluated.protocol
    if protocol.method != "rank":
        return {}
    return {
        "candidates": protocol.candidates,
        "normalisation": protocol.normalisation,
        "aggregation": protocol.aggregation if protocol.verbalisers else "",
        "verbalisers": {label: list(words) for label, words in protocol.verbalisers.items()},
    }


def _breakdown(evaluated: Evaluated) -> dict[str, Any]:
    return {
        name: {value: {"score": number(group.score), "count": group.count} for value, group in groups.items()}
        for name, groups in evaluated.breakdown.items()
    }


def _lengths(evaluated: Evaluated) -> dict[str, Any]:
    """The numbers of answer tokens (null if unknown) and the most frequent answers with their share of all cases."""
    tokens = [one.num_tokens for one in evaluated.predictions if one.num_tokens is not None]
    answers = Counter(one.answer for one in evaluated.predictions if not one.error)
    frequent = sorted(answers.items(), key=lambda item: (-item[1], item[0]))[:NUM_FREQUENT]
    num = len(evaluated.predictions)
    return {
        "mean_tokens": sum(tokens) / len(tokens) if tokens else None,
        "max_tokens": max(tokens) if tokens else None,
        "frequent_answers": [{"answer": text, "count": count, "share": count / num} for text, count in frequent],
    }


def _plain(value: Any) -> Any:
    """`value` in the types of JSON; numbers that are none become None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    return number(value)
