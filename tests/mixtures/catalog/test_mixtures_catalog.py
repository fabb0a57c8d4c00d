"""The catalog: fixed views, read-only queries, and no access to anything else."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ib_data import __version__
from ib_data.cards import card_names, load_card
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.catalog.file import rebuild
from ib_data.mixtures.catalog.queries import query
from ib_data.mixtures.catalog.relations import RELATIONS
from ib_data.mixtures.spec.spec_file import load_mixture, mixture_names
from ib_data.mixtures.spec.weights import weights
from ib_data.stored.manifest import INDEX
from ib_data.tasks import TASKS
from ib_data.templates.library import PACKAGED

Build = Callable[..., Path]
COLUMNS = {
    "datasets": "name title task role split official_size num_samples num_annotations num_shards num_bytes version "
    "used num_drops kind",
    "conversation_counts": "dataset split num_conversations",
    "shards": "dataset split shard num_samples num_bytes sha256",
    "samples": "dataset split key shard media_kind width height media_bytes media_sha256 num_annotations media_name",
    "annotations": "dataset split key id task question answers caption options answer_index context ocr_tokens "
    "statement label history rationales extra",
    "drops": "dataset split source_id reason",
    "damaged": "dataset split file problem",
    "templates": "task template kind text sha256",
    "template_stats": "dataset split template renders instruction_p50 instruction_p95 instruction_max target_p50 "
    "target_p95 target_max truncated instructions_truncated targets_truncated sha256 is_current",
    "mixture_members": "mixture dataset size scale weight member split task rule exponent cap fixed_weight counts",
    "mixture_stages": "mixture start_position end_position member rule exponent scale",
    "draws": "mixture seed position member dataset rank epoch index key id spec_sha256",
    "quarantine": "dataset split key annotation_id position reason",
}
EMPTY_WITHOUT_LOGS = ("damaged", "template_stats", "draws", "quarantine")


def rows(home: Home, sql: str) -> list[tuple[Any, ...]]:
    return query(home, sql)[1]


def test_relations_have_their_fixed_columns_built_or_not(tiny_home: Home, empty_home: Home) -> None:
    for name, columns in COLUMNS.items():
        built = query(tiny_home, f"FROM {name}")
        assert built[0] == columns.split()
        assert bool(built[1]) == (name not in EMPTY_WITHOUT_LOGS)
        assert query(empty_home, f"FROM {name}")[0] == columns.split()
        assert rows(empty_home, f"DESCRIBE {name}") == rows(tiny_home, f"DESCRIBE {name}")  # the same types


def test_nothing_built(empty_home: Home) -> None:
    counts = "SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM {}), (SELECT count(*) FROM {})"
    assert rows(empty_home, counts.format("samples", "annotations", "drops")) == [(0, 0, 0)]
    assert rows(empty_home, "SELECT count(*), count(num_samples) FROM datasets")[0][1] == 0
    assert {name for (name,) in rows(empty_home, "SELECT name FROM datasets")} == set(card_names())


def test_counts(tiny_home: Home) -> None:
    assert rows(tiny_home, "SELECT dataset, count(*) FROM annotations GROUP BY ALL ORDER BY ALL") == [
        ("coco_caption", 18),
        ("okvqa", 6),
        ("okvqa_qg", 6),
        ("vqav2", 40),
        ("vqav2_qg", 40),
    ]
    found = rows(tiny_home, "SELECT dataset, count(*), sum(num_annotations) FROM samples GROUP BY ALL ORDER BY ALL")
    assert found == [("coco_caption", 9, 18), ("okvqa", 3, 6), ("vqav2", 20, 40)]
    assert rows(tiny_home, "SELECT count(*), min(reason) FROM drops") == [(3, "no image")]
    disk = sum(path.stat().st_size for path in tiny_home.root.glob("shards/*/*/*.tar"))
    assert rows(tiny_home, "SELECT count(*), sum(num_bytes) FROM shards") == [(6, disk)]


def test_datasets_say_what_is_official_and_what_is_built(tiny_home: Home) -> None:
    sql = "SELECT * EXCLUDE title FROM datasets WHERE name LIKE 'vqav2%' AND split = 'train' ORDER BY name"
    size = load_card("vqav2").splits["train"].num_annotations
    num_bytes = rows(tiny_home, "SELECT sum(num_bytes) FROM shards WHERE dataset = 'vqav2'")[0][0]
    kind = "less than 0.01 % of the official size"
    assert rows(tiny_home, sql) == [
        ("vqav2", "question_answering", "held-in", "train", size, 20, 40, 3, num_bytes, __version__, True, 1, kind),
        ("vqav2_qg", "question_generation", "held-in", "train", size, 20, 40, 0, 0, __version__, True, 1, kind),
    ]
    assert rows(tiny_home, "SELECT num_samples, num_bytes FROM datasets WHERE name = 'aokvqa'")[0] == (None, None)


def test_a_view_stands_under_its_own_name_and_task(tiny_home: Home) -> None:
    sql = "SELECT task, key, id, question, answers[1].text FROM annotations WHERE dataset = '{}' ORDER BY id"
    base, view = rows(tiny_home, sql.format("vqav2")), rows(tiny_home, sql.format("vqav2_qg"))
    assert {row[0] for row in base} == {"question_answering"}
    assert {row[0] for row in view} == {"question_generation"}
    assert [row[1:] for row in base] == [row[1:] for row in view]


def test_weights_in_sql_are_those_of_the_sampler(empty_home: Home) -> None:
    found = rows(empty_home, "SELECT mixture, dataset, size, scale, weight FROM mixture_members")
    expected = []
    for name in mixture_names():
        share = weights(load_mixture(name))
        expected += [(name, m.dataset, m.size, m.scale, share[m.name]) for m in load_mixture(name).members]
    assert found == expected


def test_templates_are_all_there(empty_home: Home) -> None:
    found = rows(empty_home, "SELECT task, template, kind, text, sha256 FROM templates")
    assert found == [(t.task, t.name, t.kind, t.text, t.sha256) for task in TASKS for t in PACKAGED.load(task)]


def test_plain_duckdb_opens_it(tiny_home: Home) -> None:
    rebuild(tiny_home)
    with duckdb.connect(str(tiny_home.catalog), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM annotations").fetchone() == (110,)
        names = {row[0] for row in connection.execute("SHOW TABLES").fetchall()}
        tags = connection.execute("SELECT tags FROM duckdb_databases() WHERE path IS NOT NULL").fetchone()
    assert names == set(COLUMNS)
    assert "v1.0.0" in str(tags)  # what every 1.x program opens


def test_it_follows_what_is_built(tmp_path: Path, build_split: Build) -> None:
    home = Home(tmp_path / "home")
    count = "SELECT count(*) FROM annotations WHERE dataset = 'okvqa'"
    assert rows(home, count) == [(0,)]
    folder = build_split(home, "okvqa", 3)
    assert rows(home, count) == [(6,)]
    build_split(home, "okvqa", 4)
    assert rows(home, count) == [(8,)]
    moved = home.root.rename(tmp_path / "moved [1]*'s")
    assert rows(Home(moved), count) == [(8,)]  # also at a path that is a pattern and holds a quote
    (moved / folder.relative_to(home.root) / "manifest.json").unlink()
    assert rows(Home(moved), count) == [(0,)]


def test_other_splits_and_datasets_without_a_card_are_shown(tmp_path: Path, build_split: Build) -> None:
    home = Home(tmp_path)
    build_split(home, "vqav2", 2, split="test")
    build_split(home, "my_own", 2)
    assert rows(home, "SELECT dataset, split, task FROM annotations GROUP BY ALL ORDER BY ALL") == [
        ("my_own", "train", None),
        ("vqav2", "test", "question_answering"),  # its view has no test split
    ]


def test_two_rebuilds_at_once_leave_one_whole_catalog(tiny_home: Home) -> None:
    threads = [threading.Thread(target=rebuild, args=(tiny_home,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(tiny_home, "SELECT count(*) FROM annotations") == [(110,)]
    assert not list(tiny_home.root.glob("*.part"))


def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "sql",
    [
        "COPY shards TO '{out}'",
        "COPY (SELECT 1) TO '{index}' (USE_TMP_FILE false)",
        "WITH x AS (COPY (SELECT 1 AS a) TO '{index}' (USE_TMP_FILE false)) SELECT * FROM x",
        "WITH x AS (COPY (SELECT 1 AS a) TO '{out}') SELECT * FROM x",
        "WITH x AS (INSERT INTO shards SELECT * FROM shards RETURNING shard) SELECT * FROM x",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{index}' (USE_TMP_FILE false)",
        "EXPORT DATABASE '{out}'",
        "ATTACH '{out}' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "CREATE TABLE x (a INTEGER)",
        "CREATE TEMP TABLE x (a INTEGER)",
        "INSERT INTO shards SELECT * FROM shards",
        "UPDATE shards SET num_bytes = 0",
        "DELETE FROM shards",
        "DROP VIEW annotations",
        "SET lock_configuration = false",
        "SET allowed_paths = ['/']",
        "PRAGMA enable_profiling",
        "CHECKPOINT",
        "BEGIN",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE shards",
        "FROM read_text('{secret}')",
        "FROM read_csv('{secret}')",
        "FROM '{secret}'",
        "FROM glob('{folder}/*')",
        "FROM read_parquet('http://127.0.0.1:9/x.parquet')",
        "FROM query('COPY shards TO ''{out}''')",
        "",
        "-- nothing",
        "SELEC 1",
        "SELECT nope FROM shards",
        "SELECT * FROM nowhere",
        "SELECT 'x",
        "SELECT ?",
        "SELECT 1 / 'x'",
    ],
)
def test_what_is_not_one_select_is_refused_in_one_line(tiny_home: Home, tmp_path: Path, sql: str) -> None:
    query(tiny_home, "SELECT 1")
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    index = tiny_home.split("vqav2", "train") / INDEX
    before = snapshot(tiny_home.root)
    with pytest.raises(IbDataError) as error:
        query(tiny_home, sql.format(out=tmp_path / "out", index=index, secret=secret, folder=tmp_path))
    message = str(error.value)
    assert message.startswith("sql: ")
    assert "\n" not in message
    assert snapshot(tiny_home.root) == before
    assert list(tmp_path.iterdir()) == [secret]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("FROM sample", "sql: there is no relation 'sample'; did you mean 'samples'?"),
        ("FROM main.anotations", "sql: there is no relation 'anotations'; did you mean 'annotations'?"),
        ("FROM mixture_weight('demo')", "sql: there is no relation 'mixture_weight'; did you mean 'mixture_weights'?"),
        ("SELECT quesion FROM annotations", 'Candidate bindings: "question"'),
        ("SELECT s.sha FROM samples AS s", "sql: there is no column 'sha'; did you mean 'shard'?"),
        ("FROM mixture_weights()", "Candidate macros: mixture_weights(mixture_name, at_position := 0)"),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
    ],
)
def test_a_mistake_is_answered_with_the_nearest_name(empty_home: Home, sql: str, message: str) -> None:
    with pytest.raises(IbDataError) as error:
        query(empty_home, sql)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "sql", ["SUMMARIZE shards", "SHOW TABLES", "DESCRIBE samples", "VALUES (1)", "SELECT 1;", "/* c */ SELECT 1 -- d"]
)
def test_reading_statements_run(tiny_home: Home, sql: str) -> None:
    assert rows(tiny_home, sql)


def test_a_python_variable_is_out_of_reach(tiny_home: Home) -> None:
    local_rows = [1, 2, 3]
    with pytest.raises(IbDataError, match="local_rows"):
        query(tiny_home, "SELECT * FROM local_rows")
    assert local_rows


def test_a_file_that_is_no_catalog_is_made_anew(empty_home: Home) -> None:
    empty_home.catalog.write_text("not a database, but long enough to be taken for one" * 100)
    assert query(empty_home, "SELECT 1")[1] == [(1,)]


def test_without_a_query_the_relations_are_listed(cli: Callable[..., Any], home: Home) -> None:
    listed = cli("sql", "--home", home.root)
    assert listed.code == 0
    assert "samples: an image or a clip" in listed.out
    assert "mixture_weights(mixture_name, at_position := 0): " in listed.out
    assert not home.root.exists()
    found = json.loads(cli("sql", "--format", "json", "--home", home.root).out)
    columns = [row["column"] for row in found if row["relation"] == "drops"]
    assert columns == COLUMNS["drops"].split()
    assert {row["relation"] for row in found} > set(COLUMNS)


def test_the_plain_program_sees_what_a_relation_is(tiny_home: Home) -> None:
    rebuild(tiny_home)
    with duckdb.connect(str(tiny_home.catalog), read_only=True) as connection:
        found = connection.execute(
            "SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'main' "
            "UNION ALL SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
    assert dict(found) == {name: relation.about for name, relation in RELATIONS.items()}
