"""docs/evaluation.md matches the cards: protocols, prompts and notes of all datasets. Its example in Python runs."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ib_data.cards import Card, card_names, load_card
from ib_data.evaluation.decoding import PRESETS, preset
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.protocols.read import methods_of, protocol_of
from ib_data.evaluation.report.published.tables import paper_tables
from ib_data.evaluation.results.form import results_form
from ib_data.evaluation.results.plain import PLAIN_METRICS
from ib_data.evaluation.scoring.metrics import METRICS
from ib_data.home import Home
from ib_data.templates.library import PACKAGED
from ib_data.templates.renderer import Renderer

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
REPRODUCE = (ROOT / "docs" / "reproduce.md").read_text(encoding="utf-8")


def section(heading: str, page: str = PAGE) -> str:
    """The text under a heading, up to the next one."""
    _, found, rest = page.partition(f"\n{heading}\n")
    assert found, f"there is no heading {heading!r}"
    return re.split(r"\n#+ ", rest)[0]


def rows(heading: str, page: str = PAGE, number: int = 0) -> list[str]:
    """The rows of a table under a heading, without its head."""
    tables = re.findall(r"^\| ---.*\n((?:\|.*\n)+)", section(heading, page) + "\n", re.MULTILINE)
    return str(tables[number]).splitlines()


def named(line: str, cell: int = 1) -> list[str]:
    """The inline code in a cell of a row."""
    return re.findall(r"`([^`]+)`", line.split("|")[cell])


def cards() -> Iterator[Card]:
    """The datasets of the paper, held-out ones first."""
    found = [load_card(name) for name in card_names()]
    yield from (card for role in ("held-out", "held-in") for card in found if card.role == role)


def row_of(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def how(protocol: Protocol) -> str:
    """The decoding or the candidates of a protocol."""
    if protocol.method == "generate":
        values: Mapping[str, Any] = protocol.decoding
        changes = "".join(f", {key} {value}" for key, value in values.items() if key != "preset")
        return f"`{values['preset']}`{changes}"
    if protocol.verbalisers:
        return "; ".join(f"{label}: {', '.join(words)}" for label, words in protocol.verbalisers.items())
    if protocol.candidates == "vocabulary":
        return f"vocabulary, least {protocol.vocabulary_least}"
    return protocol.candidates


def metric(protocol: Protocol) -> str:
    return f"{protocol.metric} ({protocol.profile})" if protocol.profile else protocol.metric


def protocol_rows() -> Iterator[str]:
    for card in cards():
        first = protocol_of(card)
        other = "".join(
            f"{name}: {metric(found)}, {how(found)}"
            for name in methods_of(card)
            if name != first.method and (found := protocol_of(card, method=name))
        )
        split = f"{first.split} ({card.splits[first.split].source_name})"
        part = f", {first.part:,} of it" if first.part else ""
        yield row_of(f"`{card.name}`", split + part, first.method, metric(first), how(first), other)


def prompt_rows() -> Iterator[str]:
    renderer = Renderer(PACKAGED)
    for card in cards():
        template = renderer.zero_shot(card)
        if template:
            text = template.text.replace("\n", r"\n")
            yield row_of(f"`{card.name}`", f"`{text}`")


def note_lines() -> Iterator[str]:
    for card in cards():
        if note := protocol_of(card).note:
            yield f"- `{card.name}`: {note}."


def format_rows() -> Iterator[str]:
    for card in cards():
        form = results_form(card)
        shape = {"list": "JSON list", "mapping": "JSON object by id", "lines": "JSON lines", "rows": "a value a line"}
        kind = shape.get(form.form, form.form.upper()) + (f" under `{form.under}`" if form.under else "")
        keys = ", ".join(f"`{key}`" for key in form.keys) or form.kind
        servers = "; ".join(f"{split}: `{one.file}`" for split, one in form.submissions.items())
        yield row_of(f"`{card.name}`", kind, keys, "official" if form.is_official else "own", servers)


def published_rows() -> Iterator[str]:
    (table,) = (one for one in paper_tables() if one.title == "zero-shot")
    for i, column in enumerate(table.columns):
        values = ["-" if row.values[i] is None else f"{row.values[i]:g}" for row in table.rows]
        yield row_of(f"`{column.dataset}`", *values)


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("## Protocols", protocol_rows),
        ("### Prompts", prompt_rows),
        ("### Results formats", format_rows),
    ],
)
def test_a_table_says_what_the_cards_say(heading: str, expected: Any) -> None:
    assert rows(heading) == list(expected())


def test_the_notes_are_those_of_the_cards() -> None:
    text = " ".join(section("### Notes").split())
    for line in note_lines():
        assert " ".join(line.split()) in text
    assert text.count("- `") == len(list(note_lines()))


def test_every_metric_and_profile_is_described() -> None:
    metrics = [name for line in rows("## Metrics and profiles") for name in named(line)]
    assert sorted(metrics) == sorted(METRICS)
    described: dict[str, list[str]] = {}
    current: list[str] = []
    for line in rows("## Metrics and profiles", number=1):
        current = named(line) or current
        for name in current:
            described.setdefault(name, []).extend(named(line, 2))
    assert described == {name: list(METRICS[name].profiles) for name in METRICS if METRICS[name].profiles}


def test_every_preset_is_described_by_its_settings() -> None:
    lines = {named(line)[0]: line.split("|")[2] for line in rows("## Protocols", number=1)}
    assert list(lines) == ["vqa", "caption", "greedy"]
    assert set(lines) == set(PRESETS)
    for name, text in lines.items():
        values = asdict(preset(name, is_causal=True))
        wanted = [values["num_beams"]] * (values["num_beams"] > 1) + [values["max_new_tokens"]]
        wanted += [values["repetition_penalty"]] * (values["repetition_penalty"] != 1)
        assert {f"{value:g}" for value in wanted} <= set(re.findall(r"-?[\d.]*\d", text))


def test_every_metric_of_plain_files_is_listed() -> None:
    (listed,) = re.findall(r"Metrics are (.*?)\.\s", section("### Plain files: a CIDEr scorer without Java"), re.DOTALL)
    assert re.findall(r"`([^`]+)`", listed) == list(PLAIN_METRICS)


def test_the_published_table_is_that_of_the_package() -> None:
    assert rows("## 7. Evaluate", REPRODUCE) == list(published_rows())


def test_the_example_of_a_model_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    build_split: Callable[..., Path],
    jpeg_of: Any,
) -> None:
    """As written, but on a small built dataset; its ranking by itself."""
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert block.count('["gqa", "vsr"]') == 1
    build_split(Home(tmp_path), "vqav2", 3, split="validation", picture=jpeg_of)
    monkeypatch.setenv("IB_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(block.replace('["gqa", "vsr"]', '["vqav2"]'), "docs/evaluation.md", "exec"), names)
    assert capsys.readouterr().out == "vqav2 generate vqa-accuracy 0.00 6\n"
    assert (tmp_path / "brightness" / "report.html").is_file()
    (ranking,) = names["Brightness"]().rank([None], [["a shape", "red"]])
    assert ranking.scores().argmax() == 1
    assert ranking.num_tokens.tolist() == [3, 2]


if __name__ == "__main__":
    for rows_of in (protocol_rows, prompt_rows, format_rows, note_lines, published_rows):
        print(*rows_of(), "", sep="\n")
