"""Predictions in the official results format, under the name that the server of a hidden split wants."""

import csv
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ib_data.cards import Card
from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.results.form import ResultsForm, Submission, results_form
from ib_data.evaluation.results.names import official_name
from ib_data.evaluation.results.values import options_of
from ib_data.replacing import replacing


def submission_of(card: Card, split: str) -> Submission | None:
    """What the server of a split wants, or None if there is no server."""
    return results_form(card).submissions.get(split)


def write_submission(
    folder: Path,
    card: Card,
    split: str,
    cases: Sequence[Case],
    predictions: Sequence[Prediction],
    model: str,
    labels: Sequence[str] = (),
) -> Path:
    """Write the predictions, aligned with the cases, in the official format, and return the file.

    Its name is that of the server for the split, or DATASET-SPLIT if there is none. `model` is part of some names.
    `labels` is the order of the protocol's labels, if it has some.
    """
    form, wanted = results_form(card), submission_of(card, split)
    short = re.sub(r"[^A-Za-z0-9.-]+", "-", model).strip("-") or "model"
    ending = {"lines": "jsonl", "csv": "csv", "rows": "txt"}.get(form.form, "json")
    path = folder / (wanted.file.format(model=short) if wanted else f"{card.name}-{split}.{ending}")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = results_text(form, cases, predictions, labels)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


def results_text(
    form: ResultsForm, cases: Sequence[Case], predictions: Sequence[Prediction], labels: Sequence[str] = ()
) -> str:
    """The text of a results file. A case without an answer has an empty one, as servers want every id."""
    pairs = zip(cases, predictions, strict=True)
    rows = [(_name(case, form), _values(case, _relabelled(found, form, labels), form)) for case, found in pairs]
    if form.form == "rows":  # in the order of the source, which the ids keep
        return "".join(f"{values['']}\n" for name, values in sorted(rows, key=lambda row: row[0]["id"]))
    if form.form == "mapping":
        plain = {name["id"]: values if form.value else values[""] for name, values in rows}
        return json.dumps({form.under: plain} if form.under else plain, ensure_ascii=False) + "\n"
    objects = [{**name, **values} for name, values in rows]
    if form.form == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, form.keys, lineterminator="\n")
        writer.writeheader()
        writer.writerows(objects)
        return out.getvalue()
    lines = [json.dumps(row, ensure_ascii=False) for row in objects]
    return "".join(f"{line}\n" for line in lines) if form.form == "lines" else f"[{', '.join(lines)}]\n"


def _relabelled(found: Prediction, form: ResultsForm, labels: Sequence[str]) -> Prediction:
    """The prediction with the indices of labels as the file has them; a label that was generated has its index."""
    if not form.labels:
        return found
    to_file = {index: form.labels.index(label) for index, label in enumerate(labels or form.labels)}
    choice = found.choice if found.choice is None else to_file[found.choice]
    if choice is None and found.answer in form.labels:
        choice = form.labels.index(found.answer)
    return replace(found, choice=choice, scores={to_file[index]: score for index, score in found.scores.items()})


def _name(case: Case, form: ResultsForm) -> dict[str, Any]:
    """The id of a case by its keys; one that several keys make is split at the hyphens."""
    name = official_name(case, form)
    keys = form.id or ("id",)
    parts = name.rsplit("-", len(keys) - 1) if len(keys) > 1 else [name]
    return {
        key: int(part) if form.integer and part.isdecimal() else part for key, part in zip(keys, parts, strict=True)
    }


def _values(case: Case, found: Prediction, form: ResultsForm) -> dict[str, Any]:
    """The answer by its keys; the key is empty if a form has none."""
    if form.kind == "text":
        options = options_of(case, form)
        chosen = options[found.choice] if found.choice is not None and found.choice < len(options) else ""
        return {form.value: found.answer} | ({form.choice: chosen} if chosen and form.choice else {})
    if form.kind == "ranks":
        return {form.value: _ranks(found, len(options_of(case, form)))}
    if form.kind == "score":
        return {form.value: _probability(found), form.label: int(found.choice or 0)}
    return {form.value: -1 if found.choice is None else found.choice}


def _ranks(found: Prediction, num_options: int) -> list[int]:
    """The rank of every option from 1; ties and options without a score go by their index."""
    order = sorted(range(num_options), key=lambda index: -found.scores.get(index, -math.inf))
    places = {index: rank for rank, index in enumerate(order, 1)}
    return [places[index] for index in range(num_options)]


def _probability(found: Prediction) -> float:
    """The probability of the second label, from the log-likelihoods of both; a half without any."""
    margin = found.scores.get(1, 0.0) - found.scores.get(0, 0.0)
    return 1 / (1 + math.exp(-margin)) if margin > -700 else math.exp(margin)
