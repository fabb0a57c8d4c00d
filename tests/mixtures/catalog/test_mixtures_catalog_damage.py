"""Damaged splits are left out with a note, or are an error if a query names them; plain DuckDB always fails."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ib_data.errors import IbDataError
from ib_data.home import MANIFEST, Home
from ib_data.mixtures.catalog.file import rebuild
from ib_data.mixtures.catalog.queries import query
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.stream.drawing import drawn, keep
from ib_data.stored.manifest import DROPS, INDEX

Build = Callable[..., Path]
PAGE = (Path(__file__).parents[3] / "docs" / "duckdb.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
BAD = {"dataset": "okvqa", "split": "train", "key": "k", "annotation_id": "1", "position": 2, "reason": "unreadable"}
FILES = {
    "samples": INDEX,
    "annotations": INDEX,
    "drops": DROPS,
    "draws": "demo-0.parquet",
    "quarantine": "quarantine.jsonl",
}
# What DuckDB answers without a look at a row of nulls, if it is let.
SHAPES = (
    "FROM {}",
    "SELECT count(*) FROM {}",
    "FROM {} WHERE dataset = 'vqav2'",
    "SELECT count(*) FROM {} WHERE key IN ('a', 'b')",
    "SELECT dataset, count(*) FROM {} WHERE dataset LIKE 'v%' GROUP BY ALL",
    "SELECT 1 FROM {} WHERE key IS NOT NULL LIMIT 1",
    "SELECT max(key) FROM {} WHERE length(key) > 3",
    "SELECT d.name FROM datasets AS d JOIN {} AS x ON x.dataset = d.name",
    "SELECT name FROM datasets WHERE name NOT IN (SELECT dataset FROM {})",
    "SELECT (SELECT count(*) FROM {} WHERE key = 'x')",
    "WITH x AS (FROM {}) SELECT * FROM x WHERE dataset = 'x' ORDER BY ALL",
)


@pytest.fixture
def whole_home(tmp_path: Path, build_split: Build) -> Home:
    """A home with 3 samples of okvqa and 2 of coco_caption, a bad sample and some kept draws."""
    home = Home(tmp_path / "home")
    build_split(home, "okvqa", 3)
    build_split(home, "coco_caption", 2)
    home.quarantine.write_text(json.dumps(BAD) + "\n")
    mixture = load_mixture("demo")
    keep(home, mixture, 0, drawn(home, mixture, 20)).replace(home.draws / FILES["draws"])
    return home


def answer(home: Home, sql: str) -> Any:
    """The rows of a query, or its error, which must be one line."""
    try:
        return sorted(query(home, sql)[1], key=repr)
    except IbDataError as error:
        message = str(error)
    assert "\n" not in message
    return message


def place(home: Home, name: str) -> Path:
    return next(path for path in sorted(home.root.rglob(name)) if "coco" not in str(path))


@pytest.mark.parametrize("name", sorted(set(FILES.values())))
def test_a_query_of_the_page_names_a_damaged_file_or_needs_none(
    whole_home: Home, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [answer(whole_home, sql) for sql in QUERIES]
    path = place(whole_home, name)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b"\n")
    read = re.compile(rf"\b(?:FROM|JOIN) (?:{'|'.join(relation for relation in FILES if FILES[relation] == name)})\b")
    assert sum(bool(read.search(sql)) for sql in QUERIES) in range(1, len(QUERIES))
    for sql, rows in zip(QUERIES, before, strict=True):
        capsys.readouterr()
        found = answer(whole_home, sql)
        said = capsys.readouterr().err
        if not read.search(sql):
            assert found == rows, sql
        elif name in (INDEX, DROPS):  # of one split: the others answer
            assert isinstance(found, list), sql
            assert said.count(f"left out: okvqa: {path}: ") == said.count("\n") == 1, sql
        else:
            assert str(path) in found, sql


def test_a_filter_does_not_hide_a_damaged_file(whole_home: Home) -> None:
    for relation, name in FILES.items():
        path = place(whole_home, name)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] + b"\n")
        queries = []
        for shape in SHAPES:
            sql = shape.format(relation).replace("vqav2", "okvqa").replace("LIKE 'v%'", "LIKE 'ok%'")
            sql = sql.replace("dataset = 'x'", "dataset = 'okvqa'")
            queries.append(sql.replace("key", "source_id") if relation == "drops" else sql)
        for sql, message in zip(queries, told(whole_home, *queries), strict=True):
            assert str(path) in message, sql
        path.write_bytes(data)


def told(home: Home, *queries: str) -> list[str]:
    """The error of each query in plain DuckDB, over the catalog as a build left it."""
    rebuild(home)
    found = []
    with duckdb.connect(str(home.catalog), read_only=True) as connection:
        for sql in queries:
            with pytest.raises(duckdb.Error) as error:
                connection.execute(sql).fetchall()
            found.append(str(error.value))
    return found


def test_the_plain_program_may_leave_out_what_is_damaged(whole_home: Home) -> None:
    place(whole_home, INDEX).write_bytes(b"")
    rebuild(whole_home)
    with duckdb.connect(str(whole_home.catalog), read_only=True) as connection:
        of_others = "SELECT count(*) FROM samples WHERE dataset = 'coco_caption'"
        assert connection.execute(of_others).fetchall() == [(2,)]
        with pytest.raises(duckdb.Error, match="okvqa"):
            connection.execute("SELECT count(*) FROM samples").fetchall()
        connection.execute("SET VARIABLE skip_damaged = true")
        assert connection.execute("SELECT count(*) FROM samples").fetchall() == [(2,)]
        assert connection.execute("SELECT dataset, file FROM damaged").fetchall() == [("okvqa", INDEX)]


def test_a_footer_of_garbage_is_named_also_where_another_file_is_read_first(whole_home: Home) -> None:
    for path in sorted(whole_home.root.rglob(INDEX)):
        data = path.read_bytes()
        path.write_bytes(data[:-200] + b"\xff" * 192 + data[-8:])
        queries = ("FROM samples", "SELECT count(*) FROM samples", "SELECT max(key) FROM annotations")
        assert all(str(path) in message for message in told(whole_home, *queries))
        path.write_bytes(data)


def test_of_a_damaged_body_it_is_said_how_to_find_it(whole_home: Home) -> None:
    path = whole_home.split("okvqa", "train") / INDEX
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * 1500 + data[1504:])
    assert answer(whole_home, "SELECT key FROM samples").endswith("a file may be damaged: `ib-data check` names it")
    assert "damaged" not in answer(whole_home, "SELECT nope FROM samples")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{", "cannot be read"),
        (b"", "cannot be read"),
        (b'"\xff\xfe"', "cannot be read"),
        (b"[" * 100_000, "cannot be read: maximum recursion depth exceeded"),
        (b"[]", "expected a table, found []"),
        (b"{}", "key 'dataset' is missing"),
        (None, "cannot be read: Is a directory"),
    ],
)
def test_a_bad_manifest_stops_only_what_asks_for_its_split(
    whole_home: Home, data: bytes | None, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = whole_home.split("okvqa", "train") / MANIFEST
    path.unlink()
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)
    relations = ("conversation_counts", "samples", "annotations", "drops")
    for relation in relations:
        asked = f"SELECT * FROM {relation} WHERE dataset = 'okvqa' AND split = 'train'"
        assert f"{path}: {problem}" in answer(whole_home, asked)
    for message in told(whole_home, *(f"FROM {relation}" for relation in relations)):
        assert f"{path}: {problem}" in message
    capsys.readouterr()
    counts = {"datasets": 1, "shards": 1, "samples": 2, "annotations": 4, "drops": 1, "template_stats": 0}
    for number, (relation, num_rows) in enumerate(counts.items(), 1):
        is_built = " WHERE num_samples > 0" if relation == "datasets" else ""
        assert answer(whole_home, f"SELECT count(*) FROM {relation}{is_built}") == [(num_rows,)]
        said = capsys.readouterr().err
        assert said.startswith(f"left out: okvqa: {path}: {problem}"), number
        assert said.count("\n") == 1
    kinds = answer(whole_home, "SELECT kind, num_samples FROM datasets WHERE name = 'okvqa' AND split = 'train'")
    assert kinds == [("damaged", None)]
    assert answer(whole_home, "SELECT dataset, split, file FROM damaged") == [("okvqa", "train", MANIFEST)]
    for relation in ("templates", "mixture_members", "mixture_stages", "draws", "quarantine"):
        assert answer(whole_home, f"SELECT count(*) > 0 FROM {relation}") == [(True,)]
    assert len(answer(whole_home, "FROM mixture_weights('demo')")) == len(load_mixture("demo").members)
    assert len(answer(whole_home, "FROM expected_epochs('demo', 1000)")) == len(load_mixture("demo").members)


def test_logs_that_are_folders_or_the_reverse_hide_nothing_else(whole_home: Home) -> None:
    whole_home.quarantine.unlink()
    whole_home.quarantine.mkdir()
    assert answer(whole_home, "FROM quarantine") == f"sql: quarantine: {whole_home.quarantine}: Is a directory"
    (whole_home.draws / FILES["draws"]).unlink()
    whole_home.draws.rmdir()
    whole_home.draws.write_text("no folder")
    assert answer(whole_home, "FROM draws") == []
    assert answer(whole_home, "SELECT count(*) FROM samples") == [(5,)]
