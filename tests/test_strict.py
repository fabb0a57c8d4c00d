"""Strict reading of small data files: accepted values, and the errors for others."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from ib_data.errors import DataError, IbDataError
from ib_data.strict import Count, Table, parse_toml, read_text


def test_an_integer_is_accepted_as_a_number() -> None:
    assert Table.of({"scale": 2}, "m", "m.toml").get("scale", float) == 2.0
    with pytest.raises(DataError, match=r"m: m.toml: 'scale': expected a number, found True"):
        Table.of({"scale": True}, "m", "m.toml").get("scale", float)


def test_a_number_beyond_float_is_an_error() -> None:
    table = Table.of({"scale": 10**400}, "m", "m.toml", "members[1]")
    with pytest.raises(
        DataError, match=r"m: m.toml: members\[1\]: 'scale': expected a number below 1.8e308, found 10+\.\.\."
    ):
        table.get("scale", float)


def test_a_spec_with_such_a_number_is_one_line(cli: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "big.toml"
    for num_digits, says in ((401, "big: {}: members[0]: 'scale': expected a number below 1.8e308"), (5001, "big: {}")):
        text = 'rule = "sqrt"\n[[members]]\ndataset = "vqav2"\nsplit = "train"\nsize = 40\nscale = '
        path.write_text(f"{text}{'1' * num_digits}\n")
        result = cli("mixture", "show", path)
        assert (result.code, result.err.count("\n")) == (1, 1)
        assert says.format(path) in result.err


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("name = 'drawn'\n", encoding="utf-8")
    assert read_text(path) == "name = 'drawn'\n"
    path.write_text("name = 'drawn'\n", encoding="utf-8-sig")  # as Windows' editor does
    assert read_text(path) == "name = 'drawn'\n"
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(IbDataError, match=rf"{path}: is not UTF-8 text \(invalid start byte at byte 8\)"):
        read_text(path)


def test_the_remedy_of_a_file_replaces_the_nearest_name() -> None:
    with pytest.raises(DataError, match=r"m: m.json: unknown key 'sice'; did you mean 'size'\?$"):
        Table.of({"sice": 1}, "m", "m.json").only(["size"])
    with pytest.raises(DataError, match=r"m: m.json: unknown key 'sice'; make it again$"):
        Table.of({"sice": 1}, "m", "m.json", remedy="make it again").only(["size"])


def test_keys_and_values_are_quoted_in_one_short_line() -> None:
    for name in ("x" * 5000, "\x1b[2J\n" * 500):
        table = Table.of({name: 1, "kind": name}, "m", "m.toml")
        for refuse in (lambda table=table: table.only(["size"]), lambda table=table: table.one_of("kind", ["size"])):
            with pytest.raises(DataError) as error:
                refuse()
            assert len(str(error.value)) < 150
            assert str(error.value).isprintable()


def test_the_problem_of_an_error_is_one_line_too() -> None:
    error = DataError("vsr", "found\n\x1b[2J " + "x" * 5000, file="a\nb", remedy="build again")
    assert error.problem.startswith("vsr: a b: found [2J xxx")
    assert len(error.problem) == 1000


@dataclass(frozen=True, kw_only=True)
class Part:
    name: str
    share: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Whole:
    title: str
    seed: int
    rule: Literal["sqrt", "uniform"]
    parts: tuple[Part, ...]
    size: Count
    is_open: bool = False
    names: tuple[str, ...] = ()
    limit: Count | None = None
    first: Part | None = None
    counts: Mapping[str, Count] = field(default_factory=dict)
    by_name: Mapping[str, Part] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    note: Any = None


LEAST = {"title": "t", "seed": -1, "rule": "sqrt", "parts": [{"name": "a"}, {"name": "b", "share": 2}], "size": 0}


def test_a_table_becomes_a_dataclass_by_its_type_hints() -> None:
    read = Table.of(LEAST, "m", "m.json").into(Whole)
    assert read == Whole(title="t", seed=-1, rule="sqrt", parts=(Part(name="a"), Part(name="b", share=2.0)), size=0)
    more = {
        "is_open": True,
        "names": ["x", ""],
        "limit": 3,
        "first": {"name": "c"},
        "counts": {"x": 1},
        "by_name": {"d": {"name": "d"}},
        "recipe": {"media": False, "deep": {"a": [None]}},
        "note": True,
    }
    read = Table.of({**LEAST, **more}, "m", "m.json").into(Whole)
    assert read.names == ("x", "")
    assert (read.limit, read.first, read.counts) == (3, Part(name="c"), {"x": 1})
    assert (read.by_name, read.recipe, read.note) == ({"d": Part(name="d")}, more["recipe"], True)


def test_fields_given_by_the_caller_are_not_read() -> None:
    values = {**LEAST, "first": "an old form"}
    assert Table.of(values, "m", "m.json").into(Whole, first=Part(name="z")).first == Part(name="z")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"sead": 1}, "m: m.json: unknown key 'sead'; did you mean 'seed'?"),
        ({"title": ...}, "m: m.json: key 'title' is missing (expected a text)"),
        ({"size": ...}, "m: m.json: key 'size' is missing (expected an integer)"),
        ({"parts": ...}, "m: m.json: key 'parts' is missing (expected a list)"),
        ({"title": None}, "m: m.json: 'title': expected a text, found None"),
        ({"limit": None}, "m: m.json: 'limit': expected an integer, found None"),
        ({"first": None}, "m: m.json: 'first': expected a table, found None"),
        ({"seed": True}, "m: m.json: 'seed': expected an integer, found True"),
        ({"seed": 1.0}, "m: m.json: 'seed': expected an integer, found 1.0"),
        ({"is_open": 1}, "m: m.json: 'is_open': expected true or false, found 1"),
        ({"size": -1}, "m: m.json: 'size': expected an integer from 0, found -1"),
        ({"rule": "sqr"}, "m: m.json: 'rule': unknown value 'sqr'; did you mean 'sqrt'?"),
        ({"names": ["x", 1]}, "m: m.json: 'names[1]': expected a text, found 1"),
        ({"names": "x"}, "m: m.json: 'names': expected a list, found 'x'"),
        ({"parts": [{"name": "a"}, 7]}, "m: m.json: 'parts[1]': expected a table, found 7"),
        ({"parts": [{"name": "a"}, {"nam": "b"}]}, "m: m.json: parts[1]: unknown key 'nam'; did you mean 'name'?"),
        ({"parts": [{}]}, "m: m.json: parts[0]: key 'name' is missing (expected a text)"),
        ({"first": {"name": "c", "share": "x"}}, "m: m.json: first: 'share': expected a number, found 'x'"),
        ({"counts": {"x": -1}}, "m: m.json: counts: 'x': expected an integer from 0, found -1"),
        ({"by_name": {"d": {}}}, "m: m.json: by_name.d: key 'name' is missing (expected a text)"),
        ({"recipe": []}, "m: m.json: 'recipe': expected a table, found []"),
    ],
)
def test_invalid_values_are_named_by_their_path(change: dict[str, Any], fault: str) -> None:
    values = {key: value for key, value in {**LEAST, **change}.items() if value is not ...}
    with pytest.raises(DataError) as caught:
        Table.of(values, "m", "m.json").into(Whole)
    assert str(caught.value) == fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a = " + "[" * 600 + "]" * 600, "nested too deeply; write at most 16 levels (at line 1)"),
        ("b = 1\na" + ".a" * 30_000 + " = 1", "nested too deeply; write at most 16 levels (at line 2)"),
        ("[a" + ' . "a"' * 17 + "]", "nested too deeply"),
        ("a = " + "{ b = " * 17 + "1" + " }" * 17, "nested too deeply"),
        # Quotes that close a text of several lines hide nothing that follows.
        ('x = ["""a"""", ' + "[" * 600, "nested too deeply"),
        ("x = " + "1" * 5_000, "not TOML: Exceeds the limit"),
        ("# " + "x" * 2**20, "expected at most 1,048,576 characters of TOML, found 1,048,578"),
    ],
    ids=["brackets", "dots", "head", "tables", "hidden", "digits", "size"],
)
def test_too_deep_toml_fails_at_once(text: str, fault: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match=re.escape(fault)):
        parse_toml(text)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "text",
    [
        'a = "' + "[" * 600 + '"',
        "a = '" + "." * 600 + "'",
        "a = '''\n" + "[" * 600 + "''''",
        'a = """\n\\"""' + "{" * 600 + '"""',
        "# " + "[" * 600 + "\na = 1",
        "a = [" + "1.5, [2.5], " * 600 + "]",
        "a = [\n" + "{ b.c = 1, d = [] },\n" * 600 + "]",
        "\n".join(f"a.b{i}.c = 1" for i in range(600)),
    ],
    ids=["text", "literal", "lines", "basic", "comment", "numbers", "inline", "keys"],
)
def test_strings_that_look_deep_are_read(text: str) -> None:
    assert parse_toml(text).keys() == {"a"}


@pytest.mark.parametrize("verb", [("mixture", "show"), ("stream",), ("train",)])
def test_invalid_toml_is_one_line_for_every_verb(cli, tmp_path: Path, verb: tuple[str, ...]) -> None:
    (tmp_path / "deep.toml").write_text("a = " + "[" * 600 + "]" * 600)
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "large.toml").write_bytes(b"#" * (2**20 + 1))
    for name, says in (
        ("deep", "deep.toml: nested too deeply; write at most 16 levels (at line 1)"),
        ("folder", "folder.toml: expected a file, found a folder"),
        ("large", "large.toml: expected at most 1,048,576 bytes, found more"),
    ):
        said = cli(*verb, tmp_path / f"{name}.toml", "--home", tmp_path)
        assert said.code == 1
        assert said.err.startswith("ib-data: ")
        assert says in said.err
        assert len(said.err.splitlines()) == 1
