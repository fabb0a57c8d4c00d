"""`ib-data list` and `ib-data card`."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from ib_data.cards import card_names, load_card, media_stores
from ib_data.cli import VERBS, group
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.stored.manifest import Manifest, Shard


@pytest.fixture
def home(tmp_path):
    """A home with a manifest for vqav2 train, and nothing else."""
    folder = Home(tmp_path).split("vqav2", "train")
    folder.mkdir(parents=True)
    shard = Shard(name="a.tar", num_samples=40, num_annotations=1234, num_bytes=5678, sha256="0" * 64)
    manifest = Manifest(
        dataset="vqav2", split="train", num_samples=40, num_annotations=1234, num_drops=3, index_sha256="0" * 64,
        drops_sha256="0" * 64, shards=(shard,), recipe={},
    )  # fmt: skip
    manifest.write(folder)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(group, [str(a) for a in arguments], catch_exceptions=False).output


def test_list_shows_every_dataset_with_what_is_built(home):
    lines = {line.split()[0]: line for line in run("list", "--home", home).splitlines()[2:]}
    assert set(lines) == set(card_names())
    assert "443,757" in lines["vqav2"]
    assert "train 1,234" in lines["vqav2"]
    assert "view of vqav2" in lines["vqav2_qg"]
    assert "1,234" not in lines["okvqa"]


def test_list_json_counts_a_view_over_its_base(home):
    rows = {row["name"]: row for row in json.loads(run("list", "--json", "--home", home))}
    kind = ["0.3 % of the official size"]
    assert rows["vqav2"]["built"] == {
        "train": {"samples": 40, "annotations": 1234, "drops": 3, "bytes": 5678, "kind": kind}
    }
    assert rows["vqav2_qg"]["built"] == rows["vqav2"]["built"]
    assert rows["vqav2_qg"]["view_of"] == "vqav2"
    assert rows["vsr"]["built"] == {}
    assert rows["vsr"]["role"] == "held-out"
    assert rows["vsr"]["official_size"] == 1222


def test_list_filters_by_role_task_and_what_is_built(home):
    def names(*options):
        return [row["name"] for row in json.loads(run("list", "--json", *options, "--home", home))]

    cards = [load_card(name) for name in card_names()]
    assert names("--role", "held-out") == [card.name for card in cards if card.role == "held-out"]
    assert names("--task", "captioning") == [card.name for card in cards if card.task == "captioning"]
    assert names("--built") == ["vqav2", "vqav2_qg"]
    assert names("--built", "--role", "held-out") == []
    lines = run("list", "--built", "--home", home).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["vqav2", "vqav2_qg"]
    assert "5.7 KB" in lines[2]


def test_list_shows_the_remaining_download(home):
    def sizes(name):
        row = next(row for row in json.loads(run("list", "--json", "--home", home)) if row["name"] == name)
        return row["download_bytes"], row["downloads_of_unknown_size"]

    card = load_card("iconqa")
    wanted = {file.place: file.num_bytes for file in card.files}
    wanted |= {store.file.place: store.file.num_bytes for store in (media_stores()[name] for name in card.media)}
    assert sizes("iconqa") == (
        sum(size or 0 for size in wanted.values()),
        sum(size is None for size in wanted.values()),
    )
    place, size = next((place, size) for place, size in wanted.items() if size)
    path = Home(home).downloads / place
    path.parent.mkdir(parents=True)
    path.touch()
    assert sizes("iconqa")[0] == sum(filter(None, wanted.values())) - size
    assert sizes("vqav2") == (0, 0)  # built
    assert sizes("vqav2_qg") == (0, 0)  # a view
    line = next(line for line in run("list", "--home", home).splitlines() if line.startswith("nocaps "))
    assert "MB+" in line  # some sizes are not known


def test_list_of_an_empty_home_creates_nothing(tmp_path):
    assert run("list", "--home", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_list_stays_light(tmp_path):
    code = (
        "import sys; from ib_data.cli import group; group.main(['list'], standalone_mode=False); "
        "sys.exit(','.join({'pyarrow', 'duckdb', 'torch', 'numpy', 'PIL', 'requests', 'tqdm'} & set(sys.modules)))"
    )
    environment = os.environ | {"IB_DATA_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("name", card_names())
def test_card_shows_known_and_unknown_facts(name, home):
    card = load_card(name)
    text = run("card", name, "--home", home)
    assert text.startswith(f"# {card.title}\n")
    for fact in (card.metric, card.licence_images, *card.caveats, *card.unknown, card.prose):
        assert fact in text
    for file in card.files:
        assert file.url in text
        assert (file.sha256 or "no checksum known") in text
    assert ("1,234" in text) == (card.stored_as == "vqav2")


def test_card_says_how_to_build_a_missing_dataset(home):
    assert "`ib-data build okvqa`" in run("card", "okvqa_qg", "--home", home)


def test_card_json_holds_the_facts_without_nulls(home):
    text = run("card", "vqav2", "--format", "json", "--home", home)
    values = json.loads(text)
    assert "null" not in text
    assert values["splits"]["test"]["fields"] == ["question"]
    assert values["files"][0]["role"] == "questions"
    assert "num_bytes" not in values["files"][0]
    assert values["media_files"]["coco_val2014"]["num_images"] == 40504
    assert values["built"]["train"]["num_bytes"] == 5678


def test_card_of_an_unknown_dataset(tmp_path):
    with pytest.raises(IbDataError, match="did you mean 'vqav2'"):
        run("card", "vqa2", "--home", tmp_path)


@pytest.mark.parametrize("verb", ["list", "card"])
def test_help_begins_with_the_line_in_the_list_of_verbs(verb):
    text = run(verb, "--help")
    assert VERBS[verb] in text
    assert f"ib-data {verb}" in text
