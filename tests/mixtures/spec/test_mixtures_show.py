"""The verb `mixture`: the output of show, diff and draw, and the kept draws."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from ib_data.cli import VERBS, group
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.catalog.queries import query
from ib_data.mixtures.spec.overview import bar
from ib_data.mixtures.spec.spec_file import load_mixture, mixture_names
from ib_data.mixtures.spec.weights import weights

HELD_IN = 13
STAGED = """
base = "instructblip"
only = ["vqav2", "okvqa", "coco_caption"]
scales = { okvqa = 1.0, coco_caption = 0.0 }

[[stages]]
start = 10_240
rule = "uniform"
scales = { coco_caption = 1.0 }
"""


def run(home: Home, *words: str) -> Result:
    return CliRunner().invoke(group, ["mixture", words[0], "--home", str(home.root), *words[1:]])


def good(home: Home, *words: str) -> str:
    result = run(home, *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def shown(home: Home, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(good(home, *words, "--json"))
    return found


@pytest.fixture
def staged(tmp_path: Path) -> str:
    path = tmp_path / "staged.toml"
    path.write_text(STAGED)
    return str(path)


@pytest.mark.parametrize("words", [(), ("show",), ("diff",), ("draw",)])
def test_help_has_an_example(words: tuple[str, ...]) -> None:
    text = CliRunner().invoke(group, ["mixture", *words, "--help"]).output
    assert f"ib-data mixture {' '.join(words)}".strip() in text
    assert words or VERBS["mixture"] in text


def test_show_lists_every_member_and_what_a_run_sees(tiny_home: Home) -> None:
    found = shown(tiny_home, "show", "instructblip")
    assert (found["rule"], found["samples"], len(found["members"])) == ("sqrt", 7_680_000, HELD_IN)
    members = {row["member"]: row for row in found["members"]}
    assert sum(row["weight"] for row in members.values()) == pytest.approx(1)
    assert members["vqav2"]["built"] == 40
    assert members["vqav2"]["differs"] == 40 - 443_757
    assert members["vqav2_qg"]["built"] == 40
    assert (members["ocrvqa"]["built"], members["ocrvqa"]["differs"]) == (None, None)
    capfilt = members["web_capfilt"]
    assert capfilt["epochs"] == pytest.approx(7_680_000 * capfilt["weight"] / 13_873_136)
    assert [capfilt[rule] > capfilt["weight"] for rule in ("proportional", "uniform")] == [True, False]
    assert found["stages"] == [
        {"start": 0, "rule": "sqrt", "exponent": None, "weights": weights(load_mixture("instructblip"))}
    ]


def test_show_draws_bars_marks_differences_and_adds_up(tiny_home: Home) -> None:
    lines = good(tiny_home, "show", "instructblip", "--samples", "1000").splitlines()
    assert lines[0] == "instructblip: rule sqrt, 13 members, a run of 1,000 samples"
    row = {line.split()[0]: line for line in lines}
    assert row["web_capfilt"].endswith("#" * 24)
    assert row["aokvqa"].count("#") == 1
    assert row["vqav2"].split()[-3:-1] == ["40", "-443,717"]
    assert row["ocrvqa"].split()[-3:-1] == ["-", "-"]
    assert "110 built (of 5 of 13 members)" in row["total:"]
    assert row["total:"].endswith("1,000 samples")
    assert "16,445,856 annotations and conversations pinned" in row["total:"]
    assert "cap" not in row["member"]  # a column of caps only where a spec has one
    assert "stages" not in lines[-1]


def test_bars_are_as_wide_as_their_share_of_the_largest() -> None:
    assert [len(bar(value, 0.5, width=10)) for value in (0.5, 0.25, 0.001, 0.0)] == [10, 5, 1, 0]


def test_show_sums_a_run_over_its_stages(tiny_home: Home, staged: str) -> None:
    found = shown(tiny_home, "show", staged, "--samples", "40960")
    members = {row["member"]: row for row in found["members"]}
    assert members["coco_caption"]["samples"] == 30_720 / 3
    assert members["coco_caption"]["weight"] == 0.25
    assert members["coco_caption"]["epochs"] == pytest.approx(30_720 / 3 / members["coco_caption"]["built"])
    assert [stage["start"] for stage in found["stages"]] == [0, 10_240]
    assert found["stages"][0]["weights"]["coco_caption"] == 0
    text = good(tiny_home, "show", staged)
    assert "from 10,240 (uniform)" in text


def test_show_with_strict_names_in_one_line_what_is_not_as_pinned(tiny_home: Home, tmp_path: Path) -> None:
    result = run(tiny_home, "show", "demo", "--strict")
    assert isinstance(result.exception, IbDataError)
    message = str(result.exception)
    assert "vqav2 443,757 pinned, 40 built" in message
    assert "\n" not in message
    assert "vqav2_qg" in result.stdout  # the table comes first
    path = tmp_path / "exact.toml"
    path.write_text('rule = "sqrt"\n[[members]]\ndataset = "vqav2"\nsplit = "train"\nsize = 40\n')
    row = good(tiny_home, "show", str(path), "--strict").splitlines()[3]
    assert row.split()[-3:-1] == ["40", "0"]


def test_show_has_a_column_of_caps_where_there_is_one(tiny_home: Home, tmp_path: Path) -> None:
    path = tmp_path / "capped.toml"
    member = '[[members]]\ndataset = "{}"\nsplit = "train"\nsize = 40\n'
    path.write_text(f'rule = "sqrt"\n{member.format("vqav2")}cap = 10\n{member.format("okvqa")}')
    assert "cap" in good(tiny_home, "show", str(path)).splitlines()[1]


@pytest.mark.parametrize("name", mixture_names())
def test_every_packaged_mixture_can_be_shown_and_drawn(empty_home: Home, name: str) -> None:
    assert len(shown(empty_home, "show", name)["members"]) == len(load_mixture(name).members)
    assert len(json.loads(good(empty_home, "draw", name, "-n", "3", "--json"))) == 3


def test_diff_of_a_mixture_with_itself_says_so(empty_home: Home, tmp_path: Path) -> None:
    assert "are the same mixture" in good(empty_home, "diff", "demo", "demo")
    copy = tmp_path / "copy.toml"
    copy.write_text('base = "instructblip"\n')
    assert shown(empty_home, "diff", "instructblip", str(copy))["same"] is True


def test_diff_lists_the_largest_change_first(empty_home: Home) -> None:
    found = shown(empty_home, "diff", "instructblip", "held-in-available", "--samples", "1000000")
    assert found["same"] is False
    assert found["changes"] == []
    rows = found["members"]
    changes = [abs(row["weight_b"] - row["weight_a"]) for row in rows]
    assert changes == sorted(changes, reverse=True)
    assert (rows[0]["member"], rows[0]["change"], rows[0]["weight_b"]) == ("web_capfilt", "only in A", 0)
    assert (rows[0]["ratio"], rows[0]["epochs_b"]) == (None, None)
    assert {round(row["ratio"], 6) for row in rows[1:]} == {round(rows[1]["ratio"], 6)}
    okvqa = next(row for row in rows if row["member"] == "okvqa")
    assert okvqa["epochs_b"] == pytest.approx(1_000_000 * okvqa["weight_b"] / 9_009)


def test_diff_names_what_the_specs_write_differently(empty_home: Home, staged: str, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    member = '[[members]]\ndataset = "{}"\nsplit = "train"\nsize = {}\n'
    head = 'rule = "temperature"\nexponent = 0.25\nrender = { turns = "chat" }\n'
    other.write_text(head + member.format("okvqa", 9_010) + "cap = 500\n" + member.format("vqav2", 443_757))
    found = shown(empty_home, "diff", staged, str(other))
    assert found["changes"] == [
        "rule sqrt -> temperature",
        "exponent none -> 0.25",
        "render.turns each -> chat",
        "stages from 10,240: rule uniform, coco_caption x 1 -> none",
        "the members are in another order, which changes the stream but no weight",
    ]
    change = {row["member"]: row["change"] for row in found["members"]}
    assert change == {"vqav2": "", "okvqa": "size 9,009 -> 9,010; cap none -> 500", "coco_caption": "only in A"}
    assert "okvqa" in good(empty_home, "diff", staged, str(other))


def test_draw_goes_over_pinned_sizes_where_nothing_is_built(empty_home: Home, tiny_home: Home) -> None:
    nothing = json.loads(good(empty_home, "draw", "demo", "-n", "50", "--json"))
    assert [row["position"] for row in nothing] == list(range(50))
    assert all(row["key"] is None for row in nothing)
    assert max(row["index"] for row in nothing) > 1000
    later = json.loads(good(empty_home, "draw", "demo", "-n", "10", "--start", "40", "--json"))
    assert later == nothing[40:]
    built = json.loads(good(tiny_home, "draw", "demo", "-n", "50", "--json"))
    assert [row["member"] for row in built] == [row["member"] for row in nothing]
    assert all((row["key"] is None) == (row["member"] == "aokvqa") for row in built)
    assert all(row["id"].startswith(f"{int(row['key'][-6:])}-") for row in built if row["key"])
    assert "coco_caption-train-" in good(tiny_home, "draw", "demo", "-n", "20")


def test_draw_of_a_view_reads_the_rows_of_its_dataset(tiny_home: Home, tmp_path: Path) -> None:
    path = tmp_path / "view.toml"
    member = '[[members]]\ndataset = "vqav2"\nsplit = "train"\nsize = 40\n'
    path.write_text(f'rule = "sqrt"\n{member}{member}task = "question_generation"\n')
    rows = json.loads(good(tiny_home, "draw", str(path), "-n", "120", "--available", "--json"))
    for name in ("vqav2", "vqav2/question_generation"):
        of_member = [row for row in rows if row["member"] == name and row["epoch"] == 0]
        assert len({row["id"] for row in of_member}) == len(of_member) == 40
        assert all(row["key"].startswith("vqav2-train-") for row in of_member)


def test_draw_of_chats_goes_over_conversations(tiny_home: Home, tmp_path: Path) -> None:
    path = tmp_path / "chat.toml"
    member = '[[members]]\ndataset = "vqav2"\nsplit = "train"\nsize = 40\n'
    path.write_text(f'rule = "sqrt"\nrender = {{ turns = "chat" }}\n{member}')
    rows = json.loads(good(tiny_home, "draw", str(path), "-n", "40", "--json"))
    assert sorted(row["index"] for row in rows) == list(range(40))  # no turn has a history: each stands for itself


def test_draw_keeps_a_sequence_for_the_catalog(tiny_home: Home) -> None:
    words = ("demo", "-n", "2000", "--seed", "5", "--start", "1000")
    text = good(tiny_home, "draw", *words, "--keep")
    (path,) = tiny_home.draws.iterdir()
    assert re.fullmatch("demo-[0-9a-f]{8}-seed5-1000-2000.parquet", path.name)
    assert str(path) in text
    kept = pq.read_table(path)
    assert kept.column_names == [
        "mixture", "seed", "position", "member", "dataset", "rank", "epoch", "index", "key", "id", "spec_sha256",
    ]  # fmt: skip
    printed = json.loads(good(tiny_home, "draw", *words, "--json"))
    assert kept.select(list(printed[0])).to_pylist() == printed
    assert set(kept.column("mixture").to_pylist()) == {"demo"}
    (spec,) = set(kept.column("spec_sha256").to_pylist())
    assert path.name.startswith(f"demo-{spec[:8]}-")
    assert set(kept.column("seed").to_pylist()) == {5}
    assert shown(tiny_home, "draw", *words, "--keep") == {"path": str(path), "rows": 2000}
    assert list(tiny_home.draws.iterdir()) == [path]  # replaced, and nothing is left half-written
    path.unlink()


def test_draw_keeps_specs_of_one_name_apart(tiny_home: Home, tmp_path: Path) -> None:
    path = tmp_path / "demo.toml"
    kept = set()
    head = 'base = "instructblip"\nonly = ["vqav2", "okvqa"]\n'
    for more in ("", "scales = { okvqa = 3.0 }", 'render = { turns = "chat" }', 'rule = "uniform"'):
        path.write_text(head + more)
        kept.add(shown(tiny_home, "draw", str(path), "--keep")["path"])
    kept.add(shown(tiny_home, "draw", "demo", "--keep")["path"])
    kept.add(shown(tiny_home, "draw", "demo", "--keep", "--available")["path"])  # other weights
    assert len(kept) == 6
    again = tmp_path / "elsewhere" / "demo.toml"
    again.parent.mkdir()
    again.write_text(path.read_text())
    assert shown(tiny_home, "draw", str(again), "--keep")["path"] in kept  # the same spec is replaced
    assert {str(file) for file in tiny_home.draws.iterdir()} == kept
    for file in tiny_home.draws.iterdir():
        file.unlink()


def test_many_drawn_rows_are_lines_separated_by_tabs(empty_home: Home) -> None:
    aligned = good(empty_home, "draw", "demo", "-n", "10000").splitlines()
    lines = good(empty_home, "draw", "demo", "-n", "10001").splitlines()
    assert (len(aligned), len(lines)) == (2 + 10_000, 1 + 10_001)
    assert lines[0] == "position\tmember\trank\tepoch\tindex\tkey\tid"
    for row, line in zip(aligned[2:], lines[1:], strict=False):
        assert row.replace(",", "").split() == line.split("\t")


TINY = """
rule = "fixed"
[[members]]
dataset = "vqav2"
split = "train"
size = 40
weight = 1
[[members]]
dataset = "okvqa"
split = "train"
size = 6
weight = 9e-8
"""


def test_show_names_a_member_that_is_drawn_more_often_than_its_weight_says(tiny_home: Home, tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    text = good(tiny_home, "show", str(path))
    (note,) = [line for line in text.splitlines() if line.startswith("note: ")]
    assert note == (
        "note: a cycle of the order has 65,536 slots: okvqa is drawn 117 times instead of 1, "
        "a share of 1.53e-05 instead of 9e-08"
    )
    row = shown(tiny_home, "show", str(path))["members"][1]
    assert (row["drawn"], row["weight"]) == (1 / 65_536, pytest.approx(9e-8))
    assert "note" not in good(tiny_home, "show", "instructblip")
    members = shown(tiny_home, "show", "instructblip")["members"]
    assert all(row["drawn"] == pytest.approx(row["weight"], rel=1e-3) for row in members)


def test_available_names_the_stage_that_is_left_without_members(tiny_home: Home, tmp_path: Path) -> None:
    path = tmp_path / "stages.toml"
    path.write_text(
        'base = "instructblip"\nonly = ["vqav2", "aokvqa"]\n[[stages]]\nstart = 2048\nscales = { vqav2 = 0.0 }\n'
    )
    for words in (["mixture", "draw"], ["stream"]):
        result = CliRunner().invoke(group, [*words, str(path), "--available", "--home", str(tiny_home.root)])
        assert isinstance(result.exception, IbDataError)
        assert "all weights are 0 from position 2048 on; give one of vqav2 a scale" in str(result.exception)


def test_draw_names_whom_available_leaves_out(tiny_home: Home) -> None:
    result = run(tiny_home, "draw", "instructblip", "--available", "-n", "1")
    assert result.exit_code == 0
    assert "mixture instructblip: left out because not built: web_capfilt, " in result.stderr


def test_a_kept_draw_of_a_hidden_file_is_shown(tiny_home: Home, tmp_path: Path) -> None:
    path = tmp_path / ".hidden.toml"
    path.write_text('base = "instructblip"\nonly = ["vqav2"]\n')
    kept = Path(shown(tiny_home, "draw", str(path), "--keep", "-n", "3")["path"])
    assert query(tiny_home, "SELECT count(*) FROM draws WHERE mixture = '.hidden'")[1] == [(3,)]
    kept.unlink()


def test_draw_refuses_to_keep_a_seed_that_no_column_holds(empty_home: Home) -> None:
    result = run(empty_home, "draw", "demo", "--seed", str(2**70), "--keep")
    assert isinstance(result.exception, IbDataError)
    assert "cannot be kept" in str(result.exception)
    assert good(empty_home, "draw", "demo", "--seed", str(2**70))


def test_an_unknown_dataset_is_refused_before_anything_is_shown(empty_home: Home, tmp_path: Path) -> None:
    path = tmp_path / "typo.toml"
    path.write_text('rule = "sqrt"\n[[members]]\ndataset = "vqa2"\nsplit = "train"\nsize = 5\n')
    for words in (("show", str(path)), ("draw", str(path)), ("diff", "demo", str(path))):
        result = run(empty_home, *words)
        assert isinstance(result.exception, IbDataError)
        assert "unknown dataset 'vqa2'; did you mean 'vqav2'?" in str(result.exception)
        assert not result.stdout


def test_draw_with_available_needs_something_built(empty_home: Home) -> None:
    result = run(empty_home, "draw", "demo", "--available")
    assert isinstance(result.exception, IbDataError)
    assert "none of its members is built" in str(result.exception)


def test_one_member_is_one_member(tiny_home: Home) -> None:
    lines = good(tiny_home, "show", "vqav2", "--samples", "1").splitlines()
    assert lines[0] == "vqav2: rule sqrt, 1 member, a run of 1 sample"
    assert any("(of 1 of 1 member), 1 sample" in line for line in lines)
