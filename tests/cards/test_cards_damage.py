"""`list`, `card`, `check` and `doctor` name a damaged manifest and still show the other datasets."""

import json
from pathlib import Path

import pytest

from ib_data.cards import card_names, load_card
from ib_data.cards.page import card_markdown, card_values
from ib_data.home import MANIFEST, Home
from ib_data.stored.manifest import Manifest, Shard

OTHER_VERSION = "made by another version of ib_data? use that one"
FORMS = {
    "torn": (b'{"dataset": "okvqa", "spl', "cannot be read: Unterminated string"),
    "empty": (b"", "cannot be read: Expecting value"),
    "bytes": (b"\xff\xfe\x00", "cannot be read: "),
    "list": (b"[]", "expected a table, found []"),
    "keys": (b'{"shard": []}', f"unknown key 'shard'; {OTHER_VERSION}, or delete"),
    "lacking": (b"{}", f"key 'dataset' is missing (expected a text); {OTHER_VERSION}, or delete"),
    "folder": (None, "cannot be read: Is a directory"),
}


def write(home: Home, dataset: str, split: str) -> Path:
    folder = home.split(dataset, split)
    folder.mkdir(parents=True)
    shard = Shard(name="a.tar", num_samples=40, num_annotations=1234, num_bytes=5678, sha256="0" * 64)
    Manifest(
        dataset=dataset, split=split, num_samples=40, num_annotations=1234, num_drops=3, index_sha256="0" * 64,
        drops_sha256="0" * 64, shards=(shard,), recipe={},
    ).write(folder)  # fmt: skip
    return folder / MANIFEST


def damage(path: Path, data: bytes | None = b"{") -> None:
    path.unlink()
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)


@pytest.fixture
def broken(home: Home) -> Path:
    """The damaged manifest of okvqa/train, in a home that also holds okvqa/validation and vqav2/train."""
    write(home, "okvqa", "validation")
    write(home, "vqav2", "train")
    path = write(home, "okvqa", "train")
    damage(path)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_list_shows_all_the_others_and_notes_the_damage(cli, home: Home, broken: Path, form: str) -> None:
    data, problem = FORMS[form]
    damage(broken, data)
    done = cli("list", "--home", home.root)
    lines = {line.split()[0]: line for line in done.out.splitlines()[2:]}
    assert set(lines) == set(card_names())
    assert "train 1,234" in lines["vqav2"]
    assert "validation 1,234 (24.5 % of the official size), train damaged" in lines["okvqa"]
    assert done.code == 0
    assert done.err.count("\n") == 1
    assert done.err.startswith(f"okvqa: {broken}: {problem}")
    assert done.err.endswith(f" delete {broken.parent} and build again\n")


def test_list_json_keeps_its_fields_and_adds_what_is_damaged(cli, home: Home, broken: Path) -> None:
    done = cli("list", "--json", "--home", home.root)
    rows = {row["name"]: row for row in json.loads(done.out)}
    assert rows["vqav2"]["built"]["train"]["annotations"] == 1234
    assert "damaged" not in rows["vqav2"]
    for name in ("okvqa", "okvqa_qg"):
        assert list(rows[name]["built"]) == ["validation"]
        assert list(rows[name]["damaged"]) == ["train"]
        assert str(broken) in rows[name]["damaged"]["train"]
    assert done.code == 0


def test_list_names_each_of_several_damaged_splits(cli, home: Home, broken: Path) -> None:
    other = home.split("vqav2", "train") / MANIFEST
    damage(other)
    done = cli("list", "--home", home.root)
    notes = done.err.splitlines()
    assert [str(path) in note for path, note in zip((broken, other), notes, strict=True)] == [True, True]
    assert done.code == 0


def test_card_of_a_healthy_dataset_ignores_others(cli, home: Home, broken: Path) -> None:
    for form in ("md", "json"):
        done = cli("card", "vqav2", "--format", form, "--home", home.root)
        assert (done.code, done.err) == (0, "")
        assert "damaged" not in done.out


def test_card_of_a_damaged_dataset_still_shows_its_facts(cli, home: Home, broken: Path) -> None:
    for name in ("okvqa", "okvqa_qg"):
        done = cli("card", name, "--home", home.root)
        assert "| validation | 40 " in done.out
        assert f"- `train` is damaged: okvqa: {broken}: cannot be read" in done.out
        assert done.code == 1
        assert done.err.startswith(f"ib-data: okvqa: {broken}: cannot be read")
        assert done.err.count("\n") == 1
    values = json.loads(cli("card", "okvqa", "--format", "json", "--home", home.root).out)
    assert list(values["built"]) == ["validation"]
    assert list(values["damaged"]) == ["train"]


def test_card_of_a_damaged_dataset_does_not_say_nothing_is_built(cli, home: Home) -> None:
    damage(write(home, "vsr", "test"))
    text = cli("card", "vsr", "--home", home.root).out
    assert "- `test` is damaged: vsr: " in text
    assert "Nothing. " not in text


@pytest.mark.parametrize("data", [b"{", None])
def test_card_reports_damaged_counts(cli, home: Home, data: bytes | None) -> None:
    counts = write(home, "vqav2", "train").with_name("templates-vqav2.json")
    if data is None:
        counts.mkdir()
    else:
        counts.write_bytes(data)
    done = cli("card", "vqav2", "--home", home.root)
    assert "| train | 40 " in done.out
    assert f"- The template counts of `train` are damaged: vqav2: {counts}: cannot be read" in done.out
    assert "`train` is damaged" not in done.out
    assert done.code == 1
    values = json.loads(cli("card", "vqav2", "--format", "json", "--home", home.root).out)
    assert "damaged" not in values
    assert values["built"]["train"]["num_annotations"] == 1234
    assert str(counts) in values["built"]["train"]["damaged_templates"]
    assert done.err.endswith(" run `ib-data templates stats vqav2` again\n")


def test_doctor_reports_damage_with_its_remedy_and_what_is_built(cli, home: Home, broken: Path) -> None:
    done = cli("doctor", "--json", "--home", home.root)
    assert (done.code, done.err) == (0, "")
    rows = json.loads(done.out)
    (found,) = (row for row in rows if row["what"] == "damaged")
    assert found["state"].startswith(f"okvqa: {broken}: cannot be read")
    assert "delete" not in found["state"]
    assert found["remedy"] == f"delete {broken.parent} and build again"
    (built,) = (row for row in rows if row["what"] == "built")
    assert built == {"what": "built", "state": "okvqa/validation, vqav2/train", "remedy": ""}


def test_doctor_of_a_damaged_home_does_not_suggest_a_first_build(cli, home: Home) -> None:
    damage(write(home, "vsr", "test"))
    text = cli("doctor", "--home", home.root).out
    assert "--mini" not in text
    assert f"delete {home.split('vsr', 'test')} and build again" in text


def test_check_of_all_continues_after_a_damaged_manifest(cli, home: Home, broken: Path) -> None:
    done = cli("check", "all", "--json", "--home", home.root)
    found = json.loads(done.out)
    assert set(found) == {"vqav2/train", "okvqa/train", "okvqa/validation"}
    assert str(broken) in found["okvqa/train"][0]
    assert done.code == 1


def test_an_unreadable_manifest_is_not_called_unwritable(cli, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = write(home, "vsr", "test"), Path.read_bytes

    def refused(self: Path) -> bytes:
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", refused)
    done = cli("list", "--home", home.root)
    assert done.err == f"vsr: {path}: cannot be read: Permission denied; allow this user to read it\n"


def test_list_shows_only_splits_of_the_card_in_table_and_json(cli, home: Home) -> None:
    path = write(home, "vsr", "extra")
    for is_damaged in (False, True):
        if is_damaged:
            damage(path)
        done = cli("list", "--home", home.root)
        assert "extra" not in next(line for line in done.out.splitlines() if line.startswith("vsr "))
        row = next(r for r in json.loads(cli("list", "--json", "--home", home.root).out) if r["name"] == "vsr")
        assert (row["built"], "damaged" in row) == ({}, False)
        assert done.code == 0
        assert (str(path) in done.err) == is_damaged


def test_a_card_without_damage_does_not_mention_damage() -> None:
    card = load_card("vsr")
    assert card_values(card, {}) == card_values(card, {}, {})
    assert card_markdown(card, {}) == card_markdown(card, {}, {})


def test_a_shard_with_keys_of_another_version_is_not_called_damaged(cli, home: Home) -> None:
    path = write(home, "vsr", "test")
    path.write_text(path.read_text().replace('"num_bytes"', '"bytes"'))
    problem = f"{path}: shards[0]: unknown key 'bytes'; {OTHER_VERSION}, or delete {path.parent} and build again"
    assert cli("list", "--home", home.root).err == f"vsr: {problem}\n"
