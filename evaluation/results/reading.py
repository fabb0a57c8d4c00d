"""A results file to a prediction for each case, strictly: missing, extra and doubled ids are errors."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ib_data.cards import Card, card_names, load_card
from ib_data.console import count_text
from ib_data.errors import DataError, quoted
from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.results.form import PLAIN, ResultsForm, results_form
from ib_data.evaluation.results.names import Names
from ib_data.evaluation.results.parsed import Parsed, Record, of_value, parse
from ib_data.evaluation.results.values import ValueFaultError, own_prediction, prediction_of

_SHOWN = 5  # ids in a message
_IDS = (PLAIN.id, ("question_id",))  # of plain files
_ANSWERS = ("answer", "prediction", "caption", "text")
_OUTER = ("results", "predictions", "annotations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What a file may lack or have too much of. Without a prediction a case counts as wrong.

    `unscored` are cases of the split that are not scored, and `left_out` ids of the source that the build dropped: a
    file may have them. `elsewhere` says where ids are built that are not in this split.
    """

    missing: bool = False
    extra: bool = False
    unscored: Sequence[Case] = ()
    left_out: Collection[str] = ()
    elsewhere: Callable[[Sequence[str]], str | None] = lambda _ids: None


@dataclass(frozen=True, slots=True)
class Results:
    """Predictions in the order of the cases, and what was let pass, one line each."""

    predictions: list[Prediction]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Row:
    record: Record
    id: str
    value: Any
    beside: Mapping[str, Any]


def read_results(
    path: Path, card: Card, cases: Sequence[Case], allowed: Allowed | None = None, labels: Sequence[str] = ()
) -> Results:
    """The predictions in a file, in the dataset's official format or a plain one.

    Plain are a JSON object of id and answer, JSON lines or a list of `id` and `answer`, and our own predictions.
    `labels` is the order of the protocol's labels, if it has some. Raises DataError, naming file and row, for a file
    that cannot be read, for rows of another form, and for ids that are missing, extra or doubled, unless they are
    `allowed`.
    """
    allowed, form = allowed or Allowed(), results_form(card)
    reader = _Reader(path, card, form, labels)
    known = [*cases, *allowed.unscored]
    rows = reader.rows(known)
    if not rows:
        raise reader.error("expected predictions, found none", remedy=f"write {reader.expected}")
    names = Names(known, form).found(row.id for row in rows)
    by_case = reader.placed(rows, names)
    notes = reader.require_no_extra([row for row in rows if row.id not in names], names, allowed)
    missing = [case.id for case in cases if case.id not in by_case]
    if missing and not allowed.missing:
        problem = f"{_count(missing, cases)} have no prediction: {_listed(missing)}"
        part = "or score only the part that `evaluate -n` asks with -n"
        raise reader.error(problem, remedy=f"predict them, count them as wrong with --allow-missing, {part}")
    if missing:
        notes.append(f"{_count(missing, cases)} have no prediction in {path.name} and count as wrong")
    absent = "not in the results file"
    found = [
        reader.prediction(case, by_case[case.id]) if case.id in by_case else Prediction(id=case.id, error=absent)
        for case in cases
    ]
    return Results(found, notes)


class _Reader:
    def __init__(self, path: Path, card: Card, form: ResultsForm, labels: Sequence[str]) -> None:
        self.path, self.card, self.form, self.labels = path, card, form, labels

    @property
    def expected(self) -> str:
        """The official format in words."""
        if self.form.form == "rows":
            return "one value a line"
        if self.form.form == "mapping":
            inner = f" with the keys {' and '.join(self.form.keys)}" if self.form.keys else ""
            return f"an object of id and answer{inner}{f' under {self.form.under!r}' if self.form.under else ''}"
        kind = {"list": "a JSON list of objects", "lines": "JSON lines", "csv": "CSV"}[self.form.form]
        return f"{kind} with {' and '.join(self.form.keys)}"

    def error(self, problem: str, row: str | None = None, remedy: str | None = None) -> DataError:
        return DataError(self.card.name, problem, file=str(self.path), row=row, remedy=remedy)

    def rows(self, cases: Sequence[Case]) -> list[_Row]:
        """The rows with ids, whatever their form."""
        parsed = self._unwrapped(parse(self.card.name, self.path))
        if parsed.form == "rows":
            if self.form.form != "rows":
                raise self._another_form(parsed.records[0], parsed.records[0].value)
            if len(parsed.records) != len(cases):
                problem = f"expected {len(cases):,} lines, one for each annotation, found {len(parsed.records):,}"
                raise self.error(problem, remedy="predict the whole split, or write JSON lines with id and answer")
            ids = sorted(case.id for case in cases)
            return [_Row(r, i, r.value, {}) for r, i in zip(parsed.records, ids, strict=True)]
        if parsed.form == "mapping":
            return [self._of_mapping(record) for record in parsed.records]
        return [self._of_object(record) for record in parsed.records]

    def _unwrapped(self, parsed: Parsed) -> Parsed:
        """The rows inside an object that has them under a key, beside other things."""
        if parsed.form != "mapping":
            return parsed
        outer = self.form.under or next((key for key in _OUTER if key in parsed.whole), "")
        inner = parsed.whole.get(outer)
        if isinstance(inner, list) or (isinstance(inner, dict) and outer == self.form.under):
            return of_value(inner)
        return parsed

    def _of_mapping(self, record: Record) -> _Row:
        value = record.value
        if self.form.form == "mapping" and self.form.value and isinstance(value, dict):
            known = {self.form.value, self.form.choice} & value.keys()
            if not known:
                raise self._another_form(record, value)
            answer = value.get(self.form.value, value.get(self.form.choice))
            return _Row(record, str(record.key), answer, {self.form.choice: answer, **value})
        return _Row(record, str(record.key), value, {})

    def _of_object(self, record: Record) -> _Row:
        row = record.value
        if not isinstance(row, dict):
            raise self._another_form(record, row)
        keys = next((keys for keys in (self.form.id, *_IDS) if keys and set(keys) <= row.keys()), None)
        if keys is None:
            raise self._another_form(record, row)
        value = next((key for key in (self.form.value, *_ANSWERS) if key and key in row), None)
        if value is None and not {"choice", "scores", "error"} & row.keys():
            raise self._another_form(record, row)
        name = "-".join(self._id(record, key, row[key]) for key in keys)
        return _Row(record, name, row.get(value or "answer", ""), row)

    def _id(self, record: Record, key: str, value: Any) -> str:
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        problem = f"{key!r}: expected a number or a text, found {quoted(value)}"
        raise self.error(problem, record.place, f"write {self.expected}")

    def _another_form(self, record: Record, found: Any) -> DataError:
        """The error for a row of another form, with the datasets whose form it is."""
        keys = f"the keys {', '.join(found)}" if isinstance(found, dict) else quoted(found)
        others = [name for name in datasets_with(found) if name != self.card.name]
        looks = f"; this looks like results of {' or '.join(others)}" if others else ""
        remedy = f"write that, or a JSON object of id and answer{looks}"
        return self.error(f"expected {self.expected}, found {keys}", record.place, remedy)

    def placed(self, rows: Sequence[_Row], names: Mapping[str, str]) -> dict[str, _Row]:
        """The row of each case; DataError for a second row of one case."""
        found: dict[str, _Row] = {}
        for row in rows:
            case = names.get(row.id)
            if case is None:
                continue
            if case in found:
                first = found[case].record.place
                problem = f"id {quoted(row.id)} was already answered at {first}"
                raise self.error(problem, row.record.place, "keep one answer for each id")
            found[case] = row
        return found

    def require_no_extra(self, extra: Sequence[_Row], names: Mapping[str, str], allowed: Allowed) -> list[str]:
        """Notes about ids that are let pass; DataError for others that are not in the split."""
        left_out = [row for row in extra if row.id in allowed.left_out]
        notes = [f"{len(left_out):,} predictions are for rows that the build left out"] if left_out else []
        unknown = [row for row in extra if row.id not in allowed.left_out]
        ids = [row.id for row in unknown]
        if unknown and not names:
            others = datasets_with(unknown[0].record.value)
            looks = f"; the form is that of {' or '.join(others)}" if others and self.card.name not in others else ""
            place = allowed.elsewhere(ids)
            remedy = f"they are ids of {place}" if place else "is it the file of another dataset or split?"
            problem = f"no id is in this split, for example {_listed(ids)}{looks}"
            raise self.error(problem, unknown[0].record.place, remedy)
        if unknown and not allowed.extra:
            place = allowed.elsewhere(ids)
            hint = f" (ids of {place})" if place else ""
            count = f"{count_text(len(ids), 'id')} {'is' if len(ids) == 1 else 'are'}"
            problem = f"{count} not in this split{hint}: {_listed(ids)}"
            raise self.error(problem, unknown[0].record.place, "delete them, or ignore them with --allow-extra")
        return [*notes, *([f"{len(ids):,} predictions are for ids that are not in this split"] if ids else [])]

    def prediction(self, case: Case, row: _Row) -> Prediction:
        try:
            value = row.record.value
            own = own_prediction(case, value, self.labels) if isinstance(value, dict) else None
            return own or prediction_of(case, row.value, self.form, row.beside, self.labels)
        except ValueFaultError as fault:
            raise self.error(f"id {quoted(row.id)}: {fault}", row.record.place, f"write {self.expected}") from fault


def datasets_with(row: Any) -> list[str]:
    """The datasets whose official format has rows with the keys of this one, without plain forms."""
    if not isinstance(row, dict):
        return []
    found = []
    for name in card_names():
        form = results_form(load_card(name))
        if form.is_official and len(form.keys) > 1 and set(form.keys) <= row.keys() and form.form != "mapping":
            found.append(name)
    return found


def _listed(ids: Iterable[str]) -> str:
    first = list(ids)
    return ", ".join(map(quoted, first[:_SHOWN])) + (", ..." if len(first) > _SHOWN else "")


def _count(missing: Sequence[str], cases: Sequence[Case]) -> str:
    return f"{len(missing):,} of {len(cases):,} questions"
