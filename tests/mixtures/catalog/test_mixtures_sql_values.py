"""The output of `ib-data sql` for values of every type, and its errors for PIVOT and unknown columns."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.catalog import queries
from ib_data.mixtures.catalog.messages import in_short
from ib_data.mixtures.catalog.queries import query

Cli = Callable[..., Any]
VALUES = {
    "1.5": 1.5,
    "1.50::DECIMAL(9, 2)": 1.5,
    "2::HUGEINT": 2,
    "TRUE": True,
    "NULL": None,
    "[1.0, 'nan'::DOUBLE, '-inf'::DOUBLE, NULL]": [1.0, "nan", "-inf", None],
    "{'a': ['x', NULL], 'b': {'c': DATE '2020-01-01'}}": {"a": ["x", None], "b": {"c": "2020-01-01"}},
    "MAP {DATE '2020-01-01': 1}": {"2020-01-01": 1},
    "MAP {true: 1.5, false: 2.5}": {"true": 1.5, "false": 2.5},
    "MAP {[1]: 'a'}": {"key": [[1]], "value": ["a"]},
    "'ab'::BLOB": "6162",
    "['ab'::BLOB]": ["6162"],
    "TIMESTAMP '2020-01-02 03:04:05'": "2020-01-02 03:04:05",
    "[1, 2]::INTEGER[2]": [1, 2],
    "'[1]'": "[1]",
}


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("expression", VALUES)
def test_json_and_csv_hold_every_value(cli: Cli, empty_home: Home, expression: str) -> None:
    sql, value = f"SELECT {expression} AS value", VALUES[expression]
    text = cli("sql", sql, "--format", "json", "--home", empty_home.root).out
    found = json.loads(text, parse_constant=refuse)[0]["value"]
    assert found == value
    assert type(found) is type(value)
    cell = next(csv.DictReader(io.StringIO(cli("sql", sql, "--format", "csv", "--home", empty_home.root).out)))["value"]
    if isinstance(value, list | dict):
        assert json.loads(cell, parse_constant=refuse) == value
    elif isinstance(value, str):
        assert cell == value


def test_a_table_shows_bytes_and_lists_as_the_other_forms_do(cli: Cli, empty_home: Home) -> None:
    sql = "SELECT 'ab'::BLOB AS a, ['x', NULL] AS b"
    assert cli("sql", sql, "--home", empty_home.root).out.splitlines()[-1] == '6162  ["x", null]'


def test_two_columns_of_one_name_are_no_json(cli: Cli, empty_home: Home) -> None:
    result = cli("sql", "SELECT 1 AS a, 2 AS a", "--format", "json", "--home", empty_home.root)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("ib-data: sql: two columns are called 'a'; ")
    assert "AS" in result.err
    assert cli("sql", "SELECT 1 AS a, 2 AS a", "--format", "csv", "--home", empty_home.root).out == "a,a\n1,2\n"


def test_times_in_a_time_zone_need_no_package(cli: Cli, empty_home: Home) -> None:
    time = "TIMESTAMPTZ '2020-01-02 03:04:05+00'"
    sql = f"SELECT 1 AS a, {time} AS t, [{time}] AS l, {{'x': {time}}} AS s, MAP {{{time}: 2}} AS m, 3 AS a, now() AS n"
    columns, [row] = query(empty_home, sql)
    assert columns == ["a", "t", "l", "s", "m", "a", "n"]
    text = query(empty_home, f"SELECT CAST({time} AS VARCHAR)")[1][0][0]
    assert row[:6] == (1, text, [text], {"x": text}, {text: 2}, 3)
    ordered = f"SELECT * FROM (VALUES (2, {time}), (1, {time})) AS t(a, b) ORDER BY a -- the end"
    assert [row[0] for row in query(empty_home, ordered)[1]] == [1, 2]
    for form in ("table", "csv", "json"):
        result = cli("sql", "SELECT now() AS n", "--format", form, "--home", empty_home.root)
        assert (result.code, result.err) == (0, "")


def test_pivot_needs_its_values(empty_home: Home) -> None:
    with pytest.raises(IbDataError, match=r"sql: PIVOT .* is not allowed; .* ON column IN \('a', 'b'\)$"):
        query(empty_home, "PIVOT datasets ON split USING count(*) GROUP BY role")
    named = "PIVOT datasets ON split IN ('train', 'test') USING count(*) GROUP BY role ORDER BY role"
    expected = "SELECT role, count(*) FILTER (split = 'train'), count(*) FILTER (split = 'test') FROM datasets"
    assert query(empty_home, named)[1] == query(empty_home, f"{expected} GROUP BY role ORDER BY role")[1]


@pytest.mark.parametrize("column", ["foo", "zzz", "x"])
def test_an_unknown_column_is_not_answered_with_all_columns(empty_home: Home, column: str) -> None:
    with pytest.raises(IbDataError) as error:
        query(empty_home, f"SELECT q.{column} FROM samples AS q")
    assert column in str(error.value)
    assert len(str(error.value)) < 160


TIMES = ("TIMESTAMPTZ", "TIMESTAMPTZ_NS", "TIMESTAMPTZ[]", "STRUCT(a TIMESTAMPTZ)", "MAP(TEXT, TIMESTAMPTZ)")


def known(kind: str) -> bool:
    try:
        duckdb.sql(f"SELECT NULL::{kind}")
    except duckdb.Error:
        return False
    return True


@pytest.mark.parametrize("kind", TIMES)
def test_a_time_in_a_time_zone_is_text_at_any_depth(cli: Cli, empty_home: Home, kind: str) -> None:
    if not known(kind):
        pytest.skip(f"this DuckDB has no {kind}")
    time = "TIMESTAMPTZ '2020-01-02 03:04:05+00'"
    plain = kind.startswith("TIMESTAMPTZ") and "[" not in kind
    value = time if plain else {"T": f"[{time}]", "S": f"{{'a': {time}}}", "M": f"MAP {{'a': {time}}}"}[kind[0]]
    for form in ("table", "csv", "json"):
        result = cli("sql", f"SELECT {value}::{kind} AS x", "--format", form, "--home", empty_home.root)
        assert result.code == 0, result.err
        assert "2020-01-02" in result.out


def test_every_type_of_duckdb_is_printed(cli: Cli, empty_home: Home) -> None:
    for form in ("table", "csv", "json"):
        result = cli("sql", "FROM test_all_types()", "--format", form, "--home", empty_home.root)
        assert result.code == 0, result.err


def test_a_value_that_needs_a_package_is_one_line_without_a_traceback() -> None:
    said = "Invalid Input Error: Required module 'pytz' failed to import, due to the following: Traceback: ..."
    assert in_short(duckdb.InvalidInputException(said)) == (
        "a value needs the Python package pytz, which is not installed; CAST its column AS VARCHAR"
    )


@pytest.mark.parametrize("error", [RuntimeError("Query interrupted"), duckdb.InterruptException("INTERRUPT Error")])
def test_an_interrupted_query_is_said_to_be_that(
    cli: Cli, empty_home: Home, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def interrupted(_: object) -> object:
        raise error

    monkeypatch.setattr(queries, "_with_times_as_text", interrupted)
    result = cli("sql", "SELECT 1", "--home", empty_home.root)
    assert result.code == 130
    assert result.err.strip().startswith("ib-data: interrupted")
    assert result.err.strip().count("\n") == 0
