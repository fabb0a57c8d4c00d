"""What a pinned size counts: show, diff, draw, the stream and --strict go by one number."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ib_data.errors import DataError, IbDataError
from ib_data.home import Home
from ib_data.mixtures.spec.built_members import sources
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.stream.stream import open_stream
from ib_data.stored.conversations import conversation_ends, num_conversations
from ib_data.stored.manifest import INDEX, read_manifest
from ib_data.stored.rows import Rows

TURNS, CONVERSATIONS = 174, 58  # of the miniature
Spec = Callable[..., str]


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Writes a spec of one member; its path."""

    def write(size: int, counts: str | None = "conversations", turns: str = "each") -> str:
        path = tmp_path / "mine.toml"
        member = f'[[members]]\ndataset = "llava_conversation"\nsplit = "train"\nsize = {size}\n'
        more = f'counts = "{counts}"\n' if counts else ""
        path.write_text(f'rule = "sqrt"\nrender = {{ turns = "{turns}" }}\n{member}{more}')
        return str(path)

    return write


@pytest.mark.parametrize("turns", ["each", "chat"])
@pytest.mark.parametrize(("counts", "size"), [("conversations", CONVERSATIONS), (None, TURNS)])
def test_a_complete_build_passes_strict_however_it_is_rendered(
    dialogues: Home, spec: Spec, cli: Callable[..., Any], counts: str | None, size: int, turns: str
) -> None:
    path = spec(size, counts, turns)
    where = ("--home", dialogues.root)
    (row,) = json.loads(cli("mixture", "show", path, "--json", *where).out)["members"]
    assert (row["size"], row["built"], row["differs"]) == (size, size, 0)
    shown = cli("mixture", "show", path, "--strict", *where)
    streamed = cli("stream", path, "-n", "3", "--ids", "--strict", *where)
    assert (shown.code, shown.err, streamed.code, streamed.err) == (0, "", 0, "")


def test_show_and_the_stream_say_the_same_of_a_part(
    dialogues: Home, spec: Spec, capsys: pytest.CaptureFixture[str], cli: Callable[..., Any]
) -> None:
    for turns in ("each", "chat"):
        path = spec(100, turns=turns)
        phrase = f"llava_conversation 100 conversations pinned, {CONVERSATIONS} built"
        assert phrase in cli("mixture", "show", path, "--strict", "--home", dialogues.root).err
        open_stream(dialogues, path)
        assert capsys.readouterr().err.rstrip().endswith(phrase)
        with pytest.raises(IbDataError, match=phrase):
            open_stream(dialogues, path, strict=True)


@pytest.mark.parametrize(("turns", "units"), [("each", TURNS), ("chat", CONVERSATIONS)])
def test_an_epoch_of_show_diff_and_draw_is_one_of_the_stream(
    dialogues: Home, spec: Spec, cli: Callable[..., Any], turns: str, units: int
) -> None:
    path = spec(CONVERSATIONS, turns=turns)
    where = ("--home", dialogues.root, "--json")
    stream = open_stream(dialogues, path)
    assert stream.pass_size == units
    (row,) = json.loads(cli("mixture", "show", path, "--samples", 3 * units, *where).out)["members"]
    assert row["epochs"] == 3
    drawn = json.loads(cli("mixture", "draw", path, "-n", 3 * units, *where).out)
    assert [row["epoch"] for row in drawn] == [0] * units + [1] * units + [2] * units
    assert [row["id"] for row in drawn] == [row.annotation_id for row in stream.ids(count=3 * units)]
    rows = json.loads(cli("mixture", "diff", path, "instructblip", "--samples", 3 * units, *where).out)["members"]
    assert [row["epochs_a"] for row in rows if row["member"] == "llava_conversation"] == [3]


def test_diff_goes_by_the_rendering_of_each_mixture(
    dialogues: Home, spec: Spec, cli: Callable[..., Any], tmp_path: Path
) -> None:
    each, chat = tmp_path / "each.toml", tmp_path / "chat.toml"
    for path in (each, chat):
        path.write_text(Path(spec(CONVERSATIONS, turns=path.stem)).read_text())
    words = ("mixture", "diff", each, chat, "--samples", TURNS, "--home", dialogues.root, "--json")
    (row,) = json.loads(cli(*words).out)["members"]
    assert (row["epochs_a"], row["epochs_b"]) == (1, TURNS / CONVERSATIONS)


def test_show_says_what_a_size_counts_where_it_is_not_annotations(
    dialogues: Home, spec: Spec, cli: Callable[..., Any]
) -> None:
    where = ("--home", dialogues.root)
    text = cli("mixture", "show", spec(CONVERSATIONS), *where).out
    assert "counts" in text.splitlines()[1]
    assert f"total: {CONVERSATIONS} conversations pinned, {CONVERSATIONS} built (of 1 of 1 member)" in text
    assert "counts" not in cli("mixture", "show", spec(TURNS, None), *where).out


def test_the_paper_pins_conversations_of_the_three_llava_members() -> None:
    for name in ("instructblip", "held-in-available", "proportional"):
        counted = {member.name for member in load_mixture(name).members if member.counts == "conversations"}
        assert counted == {"llava_conversation", "llava_detail", "llava_reasoning"}


def test_an_unknown_unit_of_a_pin_is_refused(spec: Spec) -> None:
    with pytest.raises(DataError, match="'counts': unknown value 'conversation'; did you mean 'conversations'"):
        load_mixture(spec(5, "conversation"))


def test_conversations_are_counted_from_the_index_as_the_stream_counts_them(dialogues: Home) -> None:
    folder = dialogues.split("llava_conversation", "train")
    manifest = read_manifest(folder, "llava_conversation")
    assert manifest is not None
    rows = Rows(folder, manifest, dialogues.cache)
    assert num_conversations(folder, manifest) == len(rows.last_turns) == CONVERSATIONS
    assert manifest.num_annotations == TURNS


def test_conversations_end_where_a_sample_or_a_history_does() -> None:
    ordinals = np.array([0, 1, 2, 0, 0, 1, 2, 3])
    turns = np.array([0, 1, 2, 0, 0, 0, 1, 3])
    assert conversation_ends(ordinals, turns).tolist() == [2, 3, 4, 6, 7]
    assert conversation_ends(ordinals[:0], turns[:0]).tolist() == []


@pytest.mark.parametrize(("data", "problem"), [(b"no Parquet", "is not a Parquet file"), (None, "is missing")])
def test_an_index_that_cannot_be_read_is_named(
    dialogues: Home, spec: Spec, data: bytes | None, problem: str, tmp_path: Path
) -> None:
    home = Home(shutil.copytree(dialogues.root, tmp_path / "copy"))
    index = home.split("llava_conversation", "train") / INDEX
    index.unlink()
    if data:
        index.write_bytes(data)
    (source,) = sources(home, load_mixture(spec(CONVERSATIONS))).values()
    with pytest.raises(DataError, match=problem) as error:
        _ = source.num_built_as_pinned
    assert str(index) in str(error.value)
    assert "build llava_conversation again" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_home_that_cannot_be_written_is_shown(dialogues: Home, spec: Spec, cli: Callable[..., Any]) -> None:
    path = spec(CONVERSATIONS)
    before = set(dialogues.root.rglob("*"))
    assert cli("mixture", "show", path, "--strict", "--home", dialogues.root).code == 0
    assert set(dialogues.root.rglob("*")) == before  # nothing is cached to count


def test_an_index_of_other_rows_than_its_manifest_says_is_refused(dialogues: Home, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(dialogues.split("llava_conversation", "train"), tmp_path / "train"))
    manifest = read_manifest(folder, "llava_conversation")
    assert manifest is not None
    table = pq.read_table(folder / INDEX)
    says = f"expected {TURNS} rows as the manifest says, found 100; build llava_conversation again"
    for rows in (table, table.set_column(table.column_names.index("history"), "history", no_history(table))):
        pq.write_table(rows[:100], folder / INDEX)
        with pytest.raises(DataError, match=says):
            num_conversations(folder, manifest)


def no_history(table: pa.Table) -> pa.Array:
    return pa.nulls(table.num_rows, table.schema.field("history").type)


def test_an_index_without_histories_is_counted_by_its_statistics(
    dialogues: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(dialogues.split("llava_conversation", "train"), tmp_path / "train"))
    manifest = read_manifest(folder, "llava_conversation")
    assert manifest is not None
    table = pq.read_table(folder / INDEX)
    table = table.set_column(table.column_names.index("history"), "history", no_history(table))
    for has_statistics in (False, True):
        pq.write_table(table, folder / INDEX, write_statistics=has_statistics)
        if has_statistics:
            monkeypatch.setattr(pq.ParquetFile, "read", None)  # not needed
        assert num_conversations(folder, manifest) == TURNS
