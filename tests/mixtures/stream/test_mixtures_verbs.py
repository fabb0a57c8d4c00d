"""The verbs `stream` and `sql` on the command line; `mixture draw` lists what a stream gives."""

import csv
import io
import json

import pytest
from click.testing import CliRunner, Result

from ib_data.cli import VERBS, group
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.stream.stream import open_stream


def run(home: Home, *words: str) -> Result:
    verb = 2 if words[0] == "mixture" else 1
    return CliRunner().invoke(group, [*words[:verb], "--home", str(home.root), *words[verb:]])


def good(home: Home, *words: str) -> str:
    result = run(home, *words)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("verb", ["stream", "sql"])
def test_help_has_the_line_of_the_list_and_an_example(verb: str) -> None:
    text = CliRunner().invoke(group, [verb, "--help"]).output
    assert VERBS[verb] in text
    assert f"ib-data {verb}" in text


def test_draw_with_available_is_what_the_stream_gives(tiny_home: Home) -> None:
    words = ("--seed", "4", "--start", "1000000000000", "--available")
    drawn = json.loads(good(tiny_home, "mixture", "draw", "demo", "-n", "30", *words, "--json"))
    lines = [line.split("\t") for line in good(tiny_home, "stream", "demo", "-n", "30", "--ids", *words).splitlines()]
    assert [line[:4] for line in lines] == [[str(r["position"]), r["member"], r["key"], r["id"]] for r in drawn]


def test_stream_ids_of_all_ranks_are_the_one_order(tiny_home: Home) -> None:
    words = ("stream", "demo", "--ids", "--available", "--seed", "2")
    whole = good(tiny_home, *words, "-n", "12").splitlines()
    ranks = [good(tiny_home, *words, "-n", "6", "--world", "2", "--rank", r).splitlines() for r in "01"]
    assert [line for pair in zip(*ranks, strict=True) for line in pair] == whole
    example = open_stream(tiny_home, "demo", seed=2, available=True).at(7)
    fields = ("7", example.dataset, example.key, example.annotation_id, example.rendered.template)
    assert tuple(whole[7].split("\t")) == fields


def test_stream_prints_the_measured_speed(picture_home: Home) -> None:
    text = good(picture_home, "stream", "demo", "-n", "100", "--available")
    assert "first batch after" in text
    assert "samples/s" in text
    assert "MB of media" in text
    assert "then" not in good(picture_home, "stream", "demo", "-n", "1", "--available")


def test_stream_refuses_what_is_not_built_and_what_makes_no_sense(tiny_home: Home) -> None:
    result = run(tiny_home, "stream", "demo")
    assert isinstance(result.exception, IbDataError)
    assert "not built: aokvqa" in str(result.exception)
    for words in (("--world", "2", "--rank", "2"), ("--start", "-1"), ("-n", "0"), ("--world", "0")):
        assert run(tiny_home, "stream", "demo", *words).exit_code == 2


def test_sql_prints_a_table_csv_and_json(tiny_home: Home) -> None:
    sql = "SELECT dataset, key, num_annotations, [1, 2] AS list, NULL AS gap, 'a\nb' AS text FROM samples ORDER BY key"
    found = json.loads(good(tiny_home, "sql", sql, "--format", "json"))
    assert len(found) == 32
    expected = {"key": "coco_caption-train-000000", "num_annotations": 2, "list": [1, 2], "gap": None, "text": "a\nb"}
    assert found[0] == {"dataset": "coco_caption", **expected}
    table = list(csv.reader(io.StringIO(good(tiny_home, "sql", sql, "--format", "csv"))))
    assert table[0] == ["dataset", "key", "num_annotations", "list", "gap", "text"]
    assert table[1][-1] == "a\nb"
    lines = good(tiny_home, "sql", sql).splitlines()
    assert len(lines) == 2 + 32
    assert lines[2].endswith("a b")


def test_sql_json_is_json_whatever_the_types(tiny_home: Home) -> None:
    sql = "SELECT 'nan'::DOUBLE AS a, DATE '2024-01-02' AS b, 1.50::DECIMAL(4, 2) AS c, {'x': 1} AS d, 2::HUGEINT AS e"
    text = good(tiny_home, "sql", sql, "--format", "json")
    assert json.loads(text) == [{"a": "nan", "b": "2024-01-02", "c": 1.5, "d": {"x": 1}, "e": 2}]
    assert "NaN" not in text


def test_sql_does_not_let_a_text_command_the_terminal(tiny_home: Home) -> None:
    assert "\x1b" not in good(tiny_home, "sql", "SELECT chr(27) || '[2J' AS a")
