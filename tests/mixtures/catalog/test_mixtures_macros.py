"""The weights computed in SQL equal those of the sampler."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.catalog.file import create_macro, create_relation
from ib_data.mixtures.catalog.holdings import holdings
from ib_data.mixtures.catalog.macros import MACROS
from ib_data.mixtures.catalog.queries import query
from ib_data.mixtures.catalog.relations import COUNTED
from ib_data.mixtures.catalog.tables import TABLES, arrow_table, member_rows, stage_rows
from ib_data.mixtures.spec.mixture import Mixture
from ib_data.mixtures.spec.spec_file import load_mixture, mixture_names
from ib_data.mixtures.spec.weights import expected_samples, weights
from ib_data.stored.manifest import INDEX

SIZES = {"vqav2": 443_757, "coco_caption": 566_747, "okvqa": 9_009, "aokvqa": 17_056, "textcaps": 1}
HEADS = {
    "sqrt": 'rule = "sqrt"',
    "proportional": 'rule = "proportional"',
    "uniform": 'rule = "uniform"',
    "temperature": 'rule = "temperature"\nexponent = 0.3',
    "temperature_of_zero": 'rule = "temperature"\nexponent = 0',
    "fixed": 'rule = "fixed"',
}
STAGES = """
[[stages]]
start = 2048
scales = {okvqa = 0, coco_caption = 2.5}
[[stages]]
start = 10240
rule = "proportional"
"""


def spec(path: Path, head: str, *, stages: str = "") -> Mixture:
    """A mixture of five datasets and one task view with odd scales, and caps if the rule uses sizes."""
    is_fixed, has_sizes = '"fixed"' in head, '"uniform"' not in head and '"fixed"' not in head
    members = []
    for number, (dataset, size) in enumerate(SIZES.items()):
        lines = [f'dataset = "{dataset}"', 'split = "train"', f"size = {size}", f"scale = {number / 3}"]
        lines += [f"weight = {0.1 * number + 0.05}"] if is_fixed else []
        lines += ["cap = 100_000"] if has_sizes and number % 2 else []
        lines += ['task = "question_generation"'] if dataset == "vqav2" else []
        members.append("[[members]]\n" + "\n".join(lines))
    path.write_text("\n".join([head, *members, stages]))
    return load_mixture(path)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def fill(connection: duckdb.DuckDBPyConnection, *mixtures: Mixture, home: Home | None = None) -> None:
    """Create the macros, and the tables that they read, for these mixtures and the builds in `home`."""
    tables = {"mixture_members": member_rows(mixtures), "mixture_stages": stage_rows(mixtures)}
    for name in ("datasets", COUNTED):
        tables[name] = TABLES[name](home, holdings(home)) if home else ()
    connection.execute("CREATE SCHEMA ib_data")
    for name, rows in tables.items():
        create_relation(connection, name, arrow_table(name, rows))
    for name, macro in MACROS.items():
        create_macro(connection, name, macro)


def by_member(rows: list[tuple[Any, ...]]) -> dict[str, float]:
    return dict(rows)


@pytest.mark.parametrize("name", mixture_names())
def test_a_packaged_mixture_weighs_the_same_in_sql(name: str, tiny_home: Home) -> None:
    found = by_member(query(tiny_home, f"SELECT member, weight FROM mixture_weights('{name}')")[1])
    assert found == pytest.approx(weights(load_mixture(name)), rel=0, abs=1e-12)
    assert sum(found.values()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("rule", HEADS)
def test_a_rule_weighs_the_same_in_sql(rule: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    mixture = spec(tmp_path / f"{rule}.toml", HEADS[rule])
    fill(connection, mixture)
    found = connection.execute(f"SELECT member, weight FROM mixture_weights('{rule}')").fetchall()
    assert by_member(found) == pytest.approx(weights(mixture), rel=0, abs=1e-12)
    assert "vqav2/question_generation" in by_member(found)


def test_stages_weigh_and_add_up_the_same_in_sql(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    mixture = spec(tmp_path / "staged.toml", HEADS["temperature"], stages=STAGES)
    fill(connection, mixture, load_mixture("demo"))
    for position in (0, 2047, 2048, 10239, 10240, 10**15):
        sql = f"SELECT member, weight FROM mixture_weights('staged', at_position := {position})"
        found = by_member(connection.execute(sql).fetchall())
        assert found == pytest.approx(weights(mixture, position), rel=0, abs=1e-12)
    for length in (1, 2048, 5000, 1_000_000):
        sql = f"SELECT member, samples FROM expected_epochs('staged', {length})"
        found = by_member(connection.execute(sql).fetchall())
        assert found == pytest.approx(expected_samples(mixture, length), rel=1e-12, abs=1e-9)


def test_epochs_go_over_what_is_built_else_over_the_pinned_size(tiny_home: Home) -> None:
    rows = query(tiny_home, "FROM expected_epochs('instructblip', 1_000_000)")[1]
    share = weights(load_mixture("instructblip"))
    found = {member: tuple(counts) for member, _, _, _, _, _, *counts in rows}
    assert found["okvqa"] == (6, pytest.approx(share["okvqa"] * 1e6 / 6), 6)
    assert found["okvqa_qg"] == (6, pytest.approx(share["okvqa_qg"] * 1e6 / 6), 6)
    assert found["aokvqa"] == (None, pytest.approx(share["aokvqa"] * 1e6 / 17_056), 17_056)


def as_shown(cli: Callable[..., Any], spec: object, home: Home) -> dict[str, tuple[Any, ...]]:
    """The figures of `mixture show` for each member: samples of 12,345, what is built, epochs."""
    shown = json.loads(cli("mixture", "show", spec, "--samples", 12_345, "--home", home.root, "--json").out)
    return {row["member"]: (row["samples"], row["built"], pytest.approx(row["epochs"])) for row in shown["members"]}


SHOWN = "SELECT member, round(samples), built, epochs FROM expected_epochs('{}', 12_345)"


@pytest.mark.parametrize("counts", ["annotations", "conversations"])
def test_epochs_are_those_that_show_says_whatever_a_size_counts(
    dialogues: Home,
    tmp_path: Path,
    connection: duckdb.DuckDBPyConnection,
    cli: Callable[..., Any],
    counts: str,
) -> None:
    path = tmp_path / "dialogue.toml"
    of_llava = f'dataset = "llava_conversation"\nsplit = "train"\nsize = 56_681\ncounts = "{counts}"'
    of_vqav2 = 'dataset = "vqav2"\nsplit = "train"\nsize = 443_757'
    path.write_text(f'rule = "sqrt"\n[[members]]\n{of_llava}\n[[members]]\n{of_vqav2}\n')
    fill(connection, load_mixture(path), home=dialogues)
    found = {member: tuple(row) for member, *row in connection.execute(SHOWN.format("dialogue")).fetchall()}
    assert found == as_shown(cli, path, dialogues)
    sizes = connection.execute("SELECT member, epoch_size FROM expected_epochs('dialogue', 12_345)").fetchall()
    assert dict(sizes) == {"llava_conversation": 174, "vqav2": 443_757}


@pytest.mark.parametrize("name", mixture_names())
def test_epochs_of_a_packaged_mixture_are_those_that_show_says(
    name: str, dialogues: Home, tiny_home: Home, cli: Callable[..., Any]
) -> None:
    for home in (dialogues, tiny_home):
        found = {member: tuple(row) for member, *row in query(home, SHOWN.format(name))[1]}
        assert found == as_shown(cli, name, home)


def test_epochs_need_the_index_of_a_member_only_where_its_conversations_count(
    dialogues: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path / "damaged")
    shutil.copytree(dialogues.root, home.root)
    path = home.split("llava_conversation", "train") / INDEX
    path.write_bytes(path.read_bytes()[:100])
    member = "SELECT built FROM expected_epochs('instructblip', 1000) WHERE member = '{}'"
    for sql in (member.format("llava_conversation"), "FROM conversation_counts WHERE dataset = 'llava_conversation'"):
        with pytest.raises(IbDataError, match=f"{path}: is not a Parquet file; build llava_conversation again$"):
            query(home, sql)
    assert query(home, member.format("vqav2"))[1] == [(None,)]
    assert query(home, "SELECT count(built) FROM expected_epochs('demo', 1000)")[1] == [(0,)]
    assert query(home, "SELECT dataset FROM conversation_counts")[1] == []
    assert capsys.readouterr().err.count(f"left out: llava_conversation: {path}: is not a Parquet file") == 3
    assert query(home, "SELECT num_annotations FROM datasets WHERE name = 'llava_conversation'")[1][0] == (174,)


def test_conversations_of_each_split_are_counted(dialogues: Home, tiny_home: Home) -> None:
    assert query(dialogues, "FROM conversation_counts")[1] == [("llava_conversation", "train", 58)]
    found = {row[0]: row[2] for row in query(tiny_home, "FROM conversation_counts")[1]}
    names = {"vqav2": 40, "vqav2_qg": 40, "okvqa": 6, "okvqa_qg": 6, "coco_caption": 18}
    assert found == names


def test_results_have_the_columns_that_are_listed(empty_home: Home) -> None:
    calls = {
        "mixture_stage_weights": "mixture_stage_weights('demo')",
        "mixture_weights": "mixture_weights('demo')",
        "expected_epochs": "expected_epochs('demo', 100)",
    }
    for name, macro in MACROS.items():
        described = query(empty_home, f"DESCRIBE FROM {calls[name]}")[1]
        assert {row[0]: row[1] for row in described} == dict(macro.columns)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("FROM mixture_weights('instructblap')", "unknown mixture 'instructblap'; known: .*demo, .*instructblip"),
        ("SELECT count(*) FROM mixture_weights('Demo')", "unknown mixture 'Demo'"),
        ("FROM mixture_stage_weights('')", "unknown mixture ''"),
        ("FROM expected_epochs('it''s', 10)", "unknown mixture 'it's'; known: "),
        ("FROM mixture_weights(NULL)", "unknown mixture ''; known: "),
        ("FROM expected_epochs('demo', 0)", "num_samples: expected a number above 0"),
        ("FROM expected_epochs('demo', 'nan'::DOUBLE)", "num_samples: expected a number above 0"),
        ("FROM expected_epochs('demo', 'inf'::DOUBLE)", "num_samples: expected a number above 0"),
        ("FROM expected_epochs('demo', NULL)", "num_samples: expected a number above 0"),
        ("FROM mixture_weights('demo', at_position := -1)", "at_position: expected a position from 0 on"),
    ],
)
def test_a_wrong_argument_is_an_error_and_no_empty_result(empty_home: Home, sql: str, message: str) -> None:
    with pytest.raises(IbDataError, match=message):
        query(empty_home, sql)
