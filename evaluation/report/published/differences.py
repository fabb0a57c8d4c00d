"""The published numbers of a dataset, and in which ways each was measured differently."""

from typing import Any

from ib_data.evaluation.report.published.tables import Column, PaperTable, paper_tables
from ib_data.evaluation.scoring.evaluated import Evaluated

_METHODS = {"generate": "answers are generated", "rank": "candidates are ranked"}


def published(evaluated: Evaluated) -> list[dict[str, Any]]:
    """The published values of the evaluated dataset, as fractions, in the order of the papers' tables.

    `differs` are short phrases: in what the published number and the evaluation differ, as far as is known.
    """
    found = []
    for table in paper_tables():
        for i, column in enumerate(table.columns):
            if column.dataset == evaluated.protocol.dataset:
                differs = [*([table.note] if table.note else []), *differences(column, evaluated)]
                found += [_entry(table, i, row.model, row.values[i], differs) for row in table.rows]
    return [entry for entry in found if entry["value"] is not None]


def _entry(table: PaperTable, i: int, model: str, percent: float | None, differs: list[str]) -> dict[str, Any]:
    is_confirmed = not table.is_remembered or percent in table.confirmed
    return {
        "table": table.title,
        "model": model,
        "measure": table.columns[i].measure,
        "value": None if percent is None else round(percent / 100, 6),  # 49.2 / 100 is 0.49200000000000005
        "is_confirmed": is_confirmed,
        "differs": list(differs) if is_confirmed else [*differs, "the number is from memory"],
    }


def differences(column: Column, evaluated: Evaluated) -> list[str]:
    """In what a column of a paper and an evaluation differ: split, method, metric, profile, size, shuffled images."""
    protocol = evaluated.protocol
    here, there = _split(protocol.split, evaluated.split_source_name), _split(column.split, column.source_name)
    found = []
    if protocol.split != column.split or (evaluated.split_source_name or column.source_name) != column.source_name:
        found.append(f"another split: {here} here, {there} in the paper")
    if column.method and protocol.method != column.method:
        found.append(f"another method: {_METHODS[protocol.method]} here, {_METHODS[column.method]} in the paper")
    if protocol.metric != column.metric:
        found.append(f"another metric: {protocol.metric} here, {column.metric} in the paper")
    elif column.profile and protocol.profile != column.profile:
        found.append(f"another profile: {protocol.profile or 'none'} here, {column.profile} in the released code")
    found += [column.note] if column.note else []
    return found + size_differences(evaluated)


def size_differences(evaluated: Evaluated) -> list[str]:
    """In what the evaluated cases differ from the official split: what is built of it, a part."""
    found = []
    built, official = evaluated.num_built, evaluated.official_size
    if official is not None and built != official:
        found.append(f"another size: {built:,} of {official:,} are built")
    found += [f"the build here: {phrase}" for phrase in evaluated.kind]
    if evaluated.is_part:
        found.append(f"a random part of {len(evaluated.cases):,} cases here")
    return found


def _split(split: str, source_name: str) -> str:
    return f"{split} ({source_name})" if source_name and source_name != split else split
