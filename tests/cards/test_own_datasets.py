"""Datasets from outside the package: found in a folder or by an entry point, and used like any other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from own_datasets import BUILDER, CARD, MIXTURE, STORES, write_folder, write_source

from ib_data.builders.all import builder_of
from ib_data.cards import card_names, find_card, load_card, media_stores
from ib_data.cards.roots import VARIABLE, outside_folders
from ib_data.errors import DataError, IbDataError
from ib_data.mixtures.spec.spec_file import load_mixture, mixture_names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the dataset `birds`, which this process finds."""
    monkeypatch.setenv(VARIABLE, str(write_folder(tmp_path / "own")))
    return tmp_path / "own"


def test_every_verb_works_on_your_own_dataset(cli, home, tmp_path: Path) -> None:
    own, source = write_folder(tmp_path / "own"), write_source(tmp_path / "source")

    def run(*words: object) -> str:
        done = cli(*words, "--datasets", own, "--home", home.root)
        assert done.code == 0, done.err
        return done.out

    assert "birds/train: 3 annotations on 2 images; none dropped" in run("build", "birds", "--source", source)
    assert run("check", "birds") == "birds/train: ok\n"
    assert "train 3" in next(line for line in run("list").splitlines() if line.startswith("birds"))
    assert "[bird_watcher] Bird watcher, What bird is it?" in run("show", "birds", "-n", 1)
    assert "Bird watcher, How many are there?" in run("render", "birds", "-n", 3)
    card = json.loads(run("card", "birds", "--format", "json"))
    assert (card["folder"], card["metric"], card["built"]["train"]["num_samples"]) == (str(own), "none", 2)
    assert "no URL" in run("card", "birds")
    assert "(of 1 of 1 member)" in run("mixture", "show", "garden")
    drawn = [line.split("\t")[1:] for line in run("stream", "garden", "-n", 3, "--ids").splitlines()]
    assert sorted(row[2] for row in drawn) == ["7", "8", "9"]
    assert {(row[0], row[3]) for row in drawn} == {("birds", "bird_watcher")}
    query = "select text from templates where template = 'bird_watcher'"
    assert "Bird watcher" in run("sql", query)
    assert "garden" in run("sql", "select mixture from mixture_members where dataset = 'birds'")
    assert VARIABLE not in os.environ  # of the command alone
    assert "birds" not in card_names()


def test_packaged_datasets_keep_their_own_templates(cli, folder: Path) -> None:
    assert load_card("birds").templates == folder / "templates"
    assert load_card("vqav2").templates is None


def test_other_processes_find_it_too(folder: Path) -> None:
    code = "from ib_data.cards import load_card; print(load_card('birds').folder)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(folder)


def test_keys_without_meaning_for_private_data_are_optional(folder: Path) -> None:
    card = find_card("birds")
    assert (card.title, card.role, card.used_split) == ("birds", "extra", "train")
    assert (card.paper, card.licence_images, card.size, card.metric) == ("not known", "not known", None, "none")
    assert card.splits["train"].default
    assert card.files[0].sha256 is None
    assert card.gate is not None
    assert media_stores()["birds_images"].file is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("task: question_answering\nmedia: [birds_images]\nfields: [question, answers]\n", "",
         "keys 'task', 'media', 'splits.train.fields' are missing"),
        ("task:", "tsk:", "unknown key 'tsk'; did you mean 'task'"),
        ("question_answering", "question_answer", "did you mean 'question_answering'"),
        ("birds_images", "bird_images", "media: unknown name 'bird_images'; did you mean 'birds_images'"),
        ("train: {}", "train: {feilds: [question]}", "splits.train: unknown key 'feilds'; did you mean 'fields'"),
        ("task: question_answering", "task: question_answering\nmetric: CIDEr", "'metric': unknown value 'CIDEr'; did"),
        ("name: birds\n", "name: bird\n", "do not fit the file birds.md"),
        ("files:\n  - name: birds.jsonl\n", "files:\n  - file: birds.jsonl\n  -", "files[0]: unknown key 'file'"),
    ],
    ids=["missing", "unknown", "task", "store", "split", "metric", "name", "file"],
)  # fmt: skip
def test_a_bad_card_says_what_is_wrong(folder: Path, old: str, new: str, message: str) -> None:
    (folder / "birds.md").write_text(CARD.replace(old, new))
    with pytest.raises(DataError) as caught:
        load_card("birds")
    assert message in str(caught.value)
    assert str(folder / "birds.md") in str(caught.value)


@pytest.mark.parametrize(
    ("place", "text", "first"),
    [
        ("vsr.md", CARD.replace("name: birds", "name: vsr"), "cards/vsr.md"),
        ("mixtures/demo.toml", MIXTURE, "mixtures/demo.toml"),
        ("media.toml", STORES.replace("birds_images", "gqa_images"), "cards/media.toml"),
    ],
)
def test_a_taken_name_is_an_error_with_both_files(folder: Path, place: str, text: str, first: str) -> None:
    (folder / place).write_text(text)
    with pytest.raises(IbDataError, match="is taken") as caught:
        [card_names(), mixture_names(), media_stores()]
    assert f"{first} and {folder / place} " in str(caught.value)


def test_two_own_folders_must_not_share_a_name(folder: Path, tmp_path: Path, monkeypatch) -> None:
    other = write_folder(tmp_path / "other")
    monkeypatch.setenv(VARIABLE, os.pathsep.join([str(folder), str(other)]))
    with pytest.raises(IbDataError, match="'birds' is taken") as caught:
        find_card("birds")
    assert f"{folder / 'birds.md'} and {other / 'birds.md'}" in str(caught.value)
    for path in (*other.glob("*.*"), *other.glob("mixtures/*")):
        path.unlink()
    assert find_card("birds").folder == folder


def test_a_missing_datasets_folder_is_named(cli, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    done = cli("list")
    assert (done.code, str(tmp_path / "nowhere") in done.err) == (2, True)
    with pytest.raises(IbDataError, match="nowhere is not a folder"):
        card_names()
    done = cli("list", "--datasets", tmp_path / "gone")
    assert done.code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is missing; put the builder of a dataset beside its card"),
        ("rows = 3\n", "has no function `rows`"),
        ("import a_module_that_nobody_has\n", "cannot be imported (ModuleNotFoundError: No module named"),
        ("def rows(:\n", "cannot be imported (SyntaxError"),
    ],
)
def test_an_unusable_builder_is_named(folder: Path, text: str | None, message: str) -> None:
    (folder / "birds.py").unlink()
    if text is not None:
        (folder / "birds.py").write_text(text)
    with pytest.raises(IbDataError) as caught:
        builder_of(load_card("birds"))
    assert str(folder / "birds.py") in str(caught.value)
    assert message in str(caught.value)


def test_loading_a_builder_adds_no_module(folder: Path) -> None:
    """One called `json.py` must not hide the standard module of that name."""
    before = set(sys.modules)
    (folder / "json.md").write_text(CARD.replace("name: birds", "name: json"))
    (folder / "json.py").write_text(BUILDER)
    assert callable(builder_of(load_card("json")))
    assert set(sys.modules) == before
    assert sys.modules["json"] is json


def test_your_own_dataset_has_no_miniature(cli, home, folder: Path) -> None:
    done = cli("build", "birds", "--mini", "--home", home.root)
    assert (done.code, "birds has no miniature writer" in done.err) == (1, True)


def test_a_build_without_its_files_says_which_are_needed(cli, home, folder: Path) -> None:
    done = cli("build", "birds", "--home", home.root)
    assert done.code == 1
    assert "put birds.jsonl into a folder" in done.err
    assert "--source" in done.err


@pytest.mark.parametrize("kind", ["package", "module"])
def test_an_installed_package_brings_datasets_by_an_entry_point(tmp_path: Path, monkeypatch, kind: str) -> None:
    site = tmp_path / "site"
    folder = write_folder(site / "my_birds" if kind == "package" else site)
    (folder / "__init__.py" if kind == "package" else folder / "my_birds.py").write_text("raise SystemExit\n")
    info = site / "my_birds-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-birds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[console_scripts]\nx = y:z\n\n[ib_data.datasets]\nbirds = my_birds\n")
    monkeypatch.syspath_prepend(str(site))
    assert outside_folders() == (folder,)
    assert find_card("birds").folder == folder
    assert load_mixture("garden").names == ("birds",)
    (info / "entry_points.txt").write_text("[ib_data.datasets]\nbirds = my_bees\n")
    monkeypatch.syspath_prepend(str(tmp_path))  # another sys.path: looked at again
    with pytest.raises(IbDataError, match="there is no module 'my_bees'"):
        card_names()
