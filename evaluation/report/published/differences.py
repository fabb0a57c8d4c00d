"""The published numbers of a dataset, and in which ways each was measured differently."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from ib_data.cards import load_card
from ib_data.evaluation.decoding import preset
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.protocols.read import methods_of, protocol_of
from ib_data.evaluation.report.published.tables import Column, PaperTable, paper_tables
from ib_data.evaluation.scoring.evaluated import Evaluated
from ib_data.templates.renderer import Renderer

_METHODS = {"generate": "answers are generated", "rank": "candidates are ranked"}
_RANKED = ("candidates", "normalisation", "aggregation", "verbalisers", "vocabulary_least")
_WORDS = {
    "candidates": "list of candidates",
    "verbalisers": "set of words for labels",
    "vocabulary_least": "least count of a candidate",
}
_NO_END_TOKEN = "with Vicuna the released code leaves the end token out of a candidate's score"


def published(evaluated: Evaluated) -> list[dict[str, Any]]:
    """The published values of the evaluated dataset, as fractions, in the order of the papers' tables.

    `differs` are short phrases: in what the published number and the evaluation differ, as far as is known.
    """
    found = []
    for table in paper_tables():
        for i, column in enumerate(table.columns):
            if column.dataset == evaluated.protocol.dataset:
                differs = [*([table.note] if table.note else []), *differences(column, evaluated)]
                for row in table.rows:
                    own = [_NO_END_TOKEN] if column.method == "rank" and "Vicuna" in row.model else []
                    found.append(_entry(table, i, row.model, row.values[i], [*differs, *own]))
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
    """In what a column of a paper and an evaluation differ: split, method, metric, profile, prompt, settings, size."""
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
    found += _prompt_differences(evaluated)
    if column.method in ("", protocol.method):
        found += _setting_differences(evaluated)
    return [*found, *column.notes, *size_differences(evaluated)]


def _prompt_differences(evaluated: Evaluated) -> Iterator[str]:
    """In what the prompt differs from the zero-shot prompt of the paper."""
    usual = Renderer().zero_shot(load_card(evaluated.protocol.dataset))
    if not evaluated.prompt:
        yield "how the model was asked is not known here"
    elif usual is None:
        yield "the prompt of the paper is not known"
    elif evaluated.prompt != usual.text:
        yield f"another prompt: {evaluated.prompt!r} here, {usual.text!r} in the paper"


def _setting_differences(evaluated: Evaluated) -> Iterator[str]:
    """In what decoding or ranking differ from the protocol of the card, which follows the released code."""
    card, protocol = load_card(evaluated.protocol.dataset), evaluated.protocol
    if protocol.method not in methods_of(card):
        return
    usual = protocol_of(card, method=protocol.method)
    if protocol.method == "generate":
        if changed := _decoding_differences(usual, evaluated.decoding):
            yield f"another decoding: {'; '.join(changed)}"
        return
    for name in _RANKED:
        own, others = getattr(protocol, name), getattr(usual, name)
        if own != others and (name != "aggregation" or usual.verbalisers):
            yield f"another {_WORDS.get(name, name)}: {_shown(own)} here, {_shown(others)} by the card"


def _decoding_differences(usual: Protocol, decoding: Mapping[str, Any]) -> list[str]:
    """The settings that differ from those of the card.

    Which family of models answered is not known here, so those of the closer one count.
    """
    found = []
    for is_causal in (True, False):
        values = dict(usual.decoding)
        settings = asdict(preset(values.pop("preset"), is_causal=is_causal, **values))
        del settings["seed"]  # says nothing unless answers are sampled, which the temperature shows
        known = {name: value for name, value in settings.items() if decoding.get(name, value) != value}
        found.append([f"{name} {decoding[name]} here, {value} in the released code" for name, value in known.items()])
    return min(found, key=len)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{label} ({', '.join(words)})" for label, words in value.items()) or "none"
    return str(value) or "none"


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
