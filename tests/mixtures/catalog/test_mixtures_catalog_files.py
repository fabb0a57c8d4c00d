"""How the catalog shows logs and missing or damaged files, and follows their changes."""

import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ib_data.builders.write.check import problems
from ib_data.cards import load_card
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.catalog.file import rebuild
from ib_data.mixtures.catalog.queries import query
from ib_data.mixtures.catalog.relations import RELATIONS
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.stream.drawing import drawn, keep
from ib_data.mixtures.stream.quarantine import BadSample
from ib_data.stored.built_split import open_built
from ib_data.stored.manifest import DROPS, INDEX, read_manifest
from ib_data.templates.renderer import Renderer
from ib_data.templates.stats.stats_file import Quantiles, RenderLengths, Stats, TemplateStats, TextLengths, write_stats

Build = Callable[..., Path]
BAD = {
    "dataset": "okvqa",
    "split": "train",
    "key": "okvqa-train-000001",
    "annotation_id": "1-0",
    "position": 12,
    "reason": "die Datei ist besch\u00e4digt",
}
LINE = json.dumps(BAD, ensure_ascii=False).encode()


@pytest.fixture
def small_home(tmp_path: Path, build_split: Build) -> Home:
    """A separate home with 3 samples of okvqa and 2 of coco_caption."""
    home = Home(tmp_path / "home")
    build_split(home, "okvqa", 3)
    build_split(home, "coco_caption", 2)
    return home


def rows(home: Home, sql: str) -> list[tuple[Any, ...]]:
    return query(home, sql)[1]


def refusal(home: Home, sql: str) -> str:
    with pytest.raises(IbDataError) as error:
        query(home, sql)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_quarantine_has_the_keys_of_a_bad_sample() -> None:
    assert list(RELATIONS["quarantine"].columns) == [field.name for field in fields(BadSample)]


def test_a_torn_last_line_is_no_bad_sample_yet(small_home: Home) -> None:
    for end in (1, len(LINE) // 2, LINE.index(b"\xc3") + 1, len(LINE)):  # one of them inside a character
        small_home.quarantine.write_bytes(LINE + b"\n" + LINE[:end])
        assert rows(small_home, "FROM quarantine") == [tuple(BAD.values())]
    small_home.quarantine.write_bytes(LINE[:5])
    assert rows(small_home, "FROM quarantine") == []


def test_quarantine_is_followed(small_home: Home) -> None:
    count = "SELECT count(*), max(position) FROM quarantine"
    assert rows(small_home, count) == [(0, None)]
    for number in range(1, 4):
        with small_home.quarantine.open("ab") as file:
            file.write(json.dumps({**BAD, "position": number}).encode() + b"\n")
        assert rows(small_home, count) == [(number, number)]
    small_home.quarantine.unlink()
    assert rows(small_home, count) == [(0, None)]


@pytest.mark.parametrize(
    ("garbage", "problem"),
    [
        (b"\x00\xff\xfe garbage", "is not JSON"),
        (LINE[:30] + LINE, "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"3", "expected a table, found 3"),
        (b'{"dataset": "okvqa"}', "key 'split' is missing"),
        (json.dumps({**BAD, "sample": 1}).encode(), "unknown key 'sample'"),
        (json.dumps({**BAD, "position": "12"}).encode(), "'position': expected an integer, found '12'"),
    ],
)
def test_garbage_in_quarantine_is_named_and_hides_nothing_else(small_home: Home, garbage: bytes, problem: str) -> None:
    small_home.quarantine.write_bytes(LINE + b"\n" + garbage + b"\n" + LINE + b"\n")
    message = refusal(small_home, "SELECT count(*) FROM quarantine")
    assert f"{small_home.quarantine}: line 2: {problem}" in message
    assert rows(small_home, "SELECT count(*) FROM annotations") == [(16,)]
    small_home.quarantine.write_bytes(LINE + b"\n")
    assert len(rows(small_home, "FROM quarantine")) == 1


@pytest.mark.parametrize("value", [{"position": 10**30}, {"key": "\ud800"}])
def test_a_value_that_no_column_holds_is_an_error(small_home: Home, value: dict[str, Any]) -> None:
    small_home.quarantine.write_text(json.dumps({**BAD, **value}) + "\n")
    assert "quarantine: a value does not fit" in refusal(small_home, "FROM quarantine")


def test_kept_draws_are_followed(small_home: Home) -> None:
    count = "SELECT seed, count(*), min(position), max(position) FROM draws GROUP BY ALL ORDER BY ALL"
    mixture = load_mixture("demo")
    assert rows(small_home, count) == []
    keep(small_home, mixture, 0, drawn(small_home, mixture, 8, start=4))
    keep(small_home, mixture, 1, drawn(small_home, mixture, 3, seed=1))
    assert rows(small_home, count) == [(0, 8, 4, 11), (1, 3, 0, 2)]
    expected = drawn(small_home, mixture, 8, start=4).to_pylist()
    found = rows(small_home, "SELECT * EXCLUDE (mixture, seed) FROM draws WHERE seed = 0 ORDER BY position")
    assert found == [tuple(row[name] for name in list(RELATIONS["draws"].columns)[2:]) for row in expected]
    shutil.rmtree(small_home.draws)
    assert rows(small_home, count) == []


def test_draws_that_were_kept_without_the_checksum_of_a_spec_stay_readable(small_home: Home) -> None:
    mixture = load_mixture("demo")
    old = keep(small_home, mixture, 0, drawn(small_home, mixture, 3))
    pq.write_table(pq.read_table(old).drop_columns("spec_sha256"), old)
    found = "SELECT position, key, spec_sha256 IS NULL FROM draws ORDER BY ALL"
    before = rows(small_home, found)
    assert [(position, is_absent) for position, _, is_absent in before] == [(0, True), (1, True), (2, True)]
    keep(small_home, mixture, 1, drawn(small_home, mixture, 2, seed=1))
    assert [row[2] for row in rows(small_home, found)].count(False) == 2
    assert set(rows(small_home, "SELECT spec_sha256 FROM draws WHERE seed = 1")) == set(
        rows(small_home, "SELECT DISTINCT spec_sha256 FROM draws WHERE spec_sha256 IS NOT NULL")
    )


def test_a_query_reaches_the_files_of_the_views_and_no_others(small_home: Home) -> None:
    mixture = load_mixture("demo")
    kept = keep(small_home, mixture, 0, drawn(small_home, mixture, 2))
    small_home.quarantine.write_bytes(LINE + b"\n")
    folder = small_home.split("okvqa", "train")
    for path in (kept, folder / INDEX, folder / DROPS):
        assert rows(small_home, f"SELECT count(*) FROM read_parquet('{path}')")
    for path in (small_home.quarantine, folder / "manifest.json", next(folder.glob("*.tar"))):
        assert "disabled by configuration" in refusal(small_home, f"FROM read_blob('{path}')")


@pytest.mark.parametrize("data", [b"", b"PAR", b"this is not a Parquet file", b"PAR1 and then nothing"])
def test_draws_that_are_no_parquet_are_named(small_home: Home, data: bytes) -> None:
    mixture = load_mixture("demo")
    keep(small_home, mixture, 0, drawn(small_home, mixture, 2))
    bad = small_home.draws / "notes's [1].parquet"
    bad.write_bytes(data)
    message = refusal(small_home, "FROM draws")
    assert f"draws: {bad}: is not a Parquet file; delete it" in message
    assert rows(small_home, "SELECT count(*) FROM samples") == [(5,)]
    bad.unlink()
    assert rows(small_home, "SELECT count(*) FROM draws") == [(2,)]


def test_draws_of_other_columns_or_a_damaged_body_are_named(small_home: Home) -> None:
    small_home.draws.mkdir()
    other = small_home.draws / "other.parquet"
    pq.write_table(pa.table({"x": [1]}), other)
    assert "draws" in refusal(small_home, "FROM draws")
    other.write_bytes(b"PAR1 not a footer \xff\xff\xff\x7fPAR1")
    assert str(other) in refusal(small_home, "FROM draws")


@pytest.mark.parametrize("name", [INDEX, DROPS])
def test_a_removed_file_of_a_built_split_is_named_and_hides_nothing_else(
    small_home: Home, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    relation = "annotations" if name == INDEX else "drops"
    count = f"SELECT dataset, count(*) FROM {relation} GROUP BY ALL ORDER BY ALL"
    of_okvqa = f"SELECT count(*) FROM {relation} WHERE dataset = 'okvqa'"
    before = rows(small_home, count)
    path = small_home.split("okvqa", "train") / name
    data = path.read_bytes()
    others = [row for row in before if not row[0].startswith("okvqa")]
    for harm, problem in ((None, "is missing"), (b"no Parquet file", "is not a Parquet file")):
        path.unlink()
        if harm:
            path.write_bytes(harm)
        line = f"okvqa: {path}: {problem}; build okvqa again"
        assert refusal(small_home, of_okvqa) == f"sql: {line}"
        capsys.readouterr()
        assert rows(small_home, count) == others
        assert capsys.readouterr().err == f"left out: {line}\n"
        assert rows(small_home, "SELECT num_samples FROM datasets WHERE name = 'okvqa' AND split = 'train'") == [(3,)]
        assert rows(small_home, "FROM damaged") == [("okvqa", "train", name, line)]
        path.write_bytes(data)
    assert rows(small_home, count) == before
    assert rows(small_home, "FROM damaged") == []


@pytest.mark.parametrize("name", [INDEX, DROPS])
def test_a_file_of_another_split_or_of_more_rows_is_named(small_home: Home, build_split: Build, name: str) -> None:
    relation = "annotations" if name == INDEX else "drops"
    own, folder = small_home.split("okvqa", "train") / name, small_home.split("okvqa", "train")
    data = own.read_bytes()
    for other in (small_home.split("coco_caption", "train"), build_split(small_home, "okvqa", 3, split="validation")):
        own.write_bytes((other / name).read_bytes())
        owner = f"{other.parent.name}/{other.name}"
        message = refusal(small_home, f"FROM {relation} WHERE dataset = 'okvqa' AND split = 'train'")
        assert message == f"sql: okvqa: {own}: is of {owner}, not of okvqa/train; build okvqa again"
        assert f"{name}: is of {owner}" in "\n".join(found_by_check(small_home, folder))
    pq.write_table(pa.concat_tables([pq.read_table(pa.BufferReader(data))] * 2), own)
    message = refusal(small_home, f"SELECT count(*) FROM {relation} WHERE dataset = 'okvqa'")
    assert "rows as the manifest says, found" in message


def found_by_check(home: Home, folder: Path) -> list[str]:
    assert folder == home.split("okvqa", "train")
    return list(problems(load_card("okvqa"), open_built(home, "okvqa", "train", verify=False)))


def test_the_plain_program_is_told_which_file_is_missing(small_home: Home) -> None:
    path = small_home.split("okvqa", "train") / INDEX
    path.unlink()
    rebuild(small_home)
    with duckdb.connect(str(small_home.catalog), read_only=True) as connection:
        with pytest.raises(duckdb.Error, match=r"okvqa: .*index\.parquet: is missing"):
            connection.execute("FROM samples").fetchall()
        assert connection.execute("SELECT count(*) FROM drops").fetchone() == (2,)


def stats_of(home: Home, **other: Any) -> Stats:
    manifest = read_manifest(home.split("okvqa", "train"), "okvqa")
    assert manifest is not None
    lengths = [
        TextLengths(characters=Quantiles(p5=1, p50=2, p95=3, p99=4, max=size), num_cut=num_cut)
        for size, num_cut in ((90, 5), (80, 2))
    ]
    renders = RenderLengths(num_renders=6, instruction=lengths[0], target=lengths[1])
    values: dict[str, Any] = {
        "dataset": "okvqa_qg",
        "split": "train",
        "index_sha256": manifest.index_sha256,
        "templates_sha256": Renderer().digest(load_card("okvqa_qg")),
        "seed": 0,
        "num_annotations": 6,
        "num_rows": 6,
        "max_instruction_tokens": 128,
        "max_target_tokens": 256,
        "total": renders,
        "templates": (TemplateStats(template="one", sha256="ab", lengths=renders),),
        "failures": {},
    }
    return Stats(**{**values, **other})


def test_counted_lengths_are_shown_and_followed(small_home: Home) -> None:
    assert rows(small_home, "FROM template_stats") == []
    folder = small_home.split("okvqa", "train")
    write_stats(folder, stats_of(small_home))
    head = ("okvqa_qg", "train", "one", 6, 2, 3, 90, 2, 3, 80)
    assert rows(small_home, "FROM template_stats") == [(*head, 7, 5, 2, "ab", True)]
    path = write_stats(folder, stats_of(small_home, index_sha256="of an earlier build"))
    assert rows(small_home, "SELECT is_current FROM template_stats") == [(False,)]
    path.write_text("{")
    assert f"okvqa_qg: {path}: cannot be read" in refusal(small_home, "FROM template_stats")
    assert rows(small_home, "SELECT count(*) FROM samples") == [(5,)]
