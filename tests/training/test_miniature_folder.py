"""`miniature` and `miniature-t5` as model folders: assembled from shipped parts, and wherever a model is accepted."""

import json
import shutil
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from safetensors.torch import load_file
from toy_backbones import ship
from toy_models import shared_toy_folder
from toy_training import ToyStream, draw, silent, toy_config
from transformers import InstructBlipForConditionalGeneration

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.training.generation.opened import open_answerer
from ib_data.training.loop import trainer
from ib_data.training.loop.trainer import Outcome
from ib_data.training.weights.backbones import read_backbones
from ib_data.training.weights.hub import find_folder
from ib_data.training.weights.miniature import MINIATURES, miniature_folder

NAMES = tuple(MINIATURES)
FEW = {"steps": 2, "warmup_steps": 1, "save_every": 1, "keep": 9}


@pytest.fixture(autouse=True)
def shipped(monkeypatch) -> Path:
    return ship(monkeypatch)


def state(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def tune(home: Home, out: Path, **changes) -> Outcome:
    """A short run over toy examples in this home."""
    with patch.object(trainer, "training_stream", lambda *_given: ToyStream()):
        return trainer.train(toy_config(**{**FEW, **changes}), home, out, silent)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_assembled_once_and_transformers_loads_it(home, name) -> None:
    folder = find_folder(name, home)
    assert folder.parent == home.root / "models"
    assert folder.name.startswith(f"{name}-")
    before = state(home.root / "models")
    assert find_folder(name, home) == folder
    assert state(home.root / "models") == before
    model = InstructBlipForConditionalGeneration.from_pretrained(folder)
    values = model.state_dict()
    assert {value.dtype for value in values.values()} == {torch.float32}
    backbones = read_backbones()
    parts = [backbones.folder / file for file in backbones.weights[MINIATURES[name]]]
    stored = {key: value for part in parts for key, value in load_file(part).items()}
    assert stored.keys() == load_file(folder / "model.safetensors").keys()
    assert all(torch.equal(values[key], value.float()) for key, value in stored.items())


def test_other_parts_are_another_folder(home, monkeypatch) -> None:
    first = miniature_folder(home)
    ship(monkeypatch, seed=1)
    assert miniature_folder(home) != first
    assert first.is_dir()


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "qformer_tokenizer/tokenizer.json"])
def test_a_damaged_folder_is_assembled_again(home, capsys, file) -> None:
    folder = miniature_folder(home)
    whole = (folder / file).read_bytes()
    for damage in (lambda path: path.write_bytes(whole[:-9]), lambda path: path.unlink()):
        damage(folder / file)
        assert miniature_folder(home) == folder
        assert (folder / file).read_bytes() == whole
        assert capsys.readouterr().err.count("damaged, assembled again") == 1
    assert not list(folder.parent.glob("*.part"))


def test_a_folder_that_cannot_be_written_is_one_line(home, tmp_path) -> None:
    home.root.mkdir(exist_ok=True)
    (home.root / "models").touch()
    with pytest.raises(IbDataError, match=r"models/miniature-.*: cannot be written \(.*\); free some space there"):
        miniature_folder(home)


def test_a_folder_of_that_name_here_does_not_hide_it(home, tmp_path, monkeypatch, capsys) -> None:
    (home.root / "miniature").mkdir(parents=True)  # the miniature's mirror, no model
    monkeypatch.chdir(tmp_path)
    shutil.copytree(shared_toy_folder(), tmp_path / "miniature")
    assert find_folder("miniature", home).parent == home.root / "models"
    assert "the folder of that name here is ./miniature" in capsys.readouterr().err
    assert find_folder("./miniature", home) == Path("miniature")


def test_a_dry_run_knows_its_sizes_and_assembles_nothing(cli, home, monkeypatch) -> None:
    monkeypatch.setattr("ib_data.training.estimate.dry_run.matrix_ceiling", lambda _device, _dtype: 2e12)
    for name in NAMES:
        said = cli("train", "miniature", f"model={name}", "--dry-run", "--json", "--home", home.root)
        assert said.code == 0, said.err
        found = json.loads(said.out)
        model = InstructBlipForConditionalGeneration.from_pretrained(miniature_folder(Home(home.root / "other"), name))
        assert sum(found["model"]["parameters"].values()) == sum(p.numel() for p in model.parameters())
        assert found["model"]["remedy"] is None
        assert "image_px is" in found["problems"][0]
        assert not (home.root / "models").exists()


def test_model_verbs_take_its_name(cli, home, tmp_path) -> None:
    said = cli("model", "show", "miniature-t5", "--json", "--home", home.root)
    assert json.loads(said.out)["folder"] == str(miniature_folder(home, "miniature-t5"))
    new = ("model", "new", "--language", _language_model(tmp_path), "--vision", "miniature", "--out", tmp_path / "new")
    made = cli(*new, "--home", home.root)
    assert made.code == 0, made.err
    ours = load_file(miniature_folder(home) / "model.safetensors")
    name = "vision_model.embeddings.class_embedding"
    assert torch.equal(load_file(tmp_path / "new" / "model.safetensors")[name], ours[name])


def _language_model(tmp_path: Path) -> Path:
    """The language model of a toy folder, alone."""
    folder = tmp_path / "language"
    whole = InstructBlipForConditionalGeneration.from_pretrained(shared_toy_folder())
    whole.language_model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(shared_toy_folder() / name, folder / name)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_run_resumes_answers_and_is_exported_from_it(cli, home, tmp_path, name) -> None:
    out = tmp_path / "run"
    tune(home, out, model=name, steps=3)
    straight = load_file(out / "step-000003" / "trained.safetensors")
    shutil.rmtree(out / "step-000003")
    assert tune(home, out, model=name, steps=3).num_new_steps == 1
    assert all(torch.equal(value, straight[key]) for key, value in _trained(out / "step-000003").items())
    shutil.rmtree(home.root / "models")  # as on another machine: the parts are in the package
    answerer = open_answerer(str(out), home, device="cpu")
    assert all(torch.equal(answerer.model.get_parameter(key), value) for key, value in straight.items())
    assert answerer.loaded.folder.path == miniature_folder(home, name)
    shutil.rmtree(home.root / "models")
    exported = cli("model", "export", out, "--out", tmp_path / "model", "--home", home.root)
    assert exported.code == 0, exported.err
    assert f"those of {name} (fingerprint" in (tmp_path / "model" / "README.md").read_text()
    values = InstructBlipForConditionalGeneration.from_pretrained(tmp_path / "model").state_dict()
    assert all(torch.equal(values[key], value) for key, value in straight.items())
    assert all(torch.equal(values[key], value) for key, value in answerer.model.state_dict().items())


def _trained(checkpoint: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoint / "trained.safetensors")


def test_a_run_of_other_parts_is_refused_and_its_old_folder_still_works(home, tmp_path, monkeypatch) -> None:
    out = tmp_path / "run"
    tune(home, out, model="miniature")
    first = miniature_folder(home)
    ship(monkeypatch, seed=1)
    with pytest.raises(IbDataError, match="is not the model it began from"):
        tune(home, out, model="miniature", steps=3)
    assert tune(home, out, model=str(first), steps=3).num_new_steps == 1
    assert open_answerer(str(out), home, device="cpu").loaded.folder.path == first
    shutil.rmtree(home.root / "models")
    with pytest.raises(IbDataError, match="is not the model that it began from"):
        open_answerer(str(out / "step-000002"), home, device="cpu")


def test_a_run_of_its_name_is_named_by_its_path(cli, home, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    run = home.runs / "miniature"
    tune(home, run, model="miniature")
    trained = _trained(run / "step-000002")["query_tokens"]
    capsys.readouterr()
    for name in ("runs/miniature", str(run)):
        assert torch.equal(open_answerer(name, home, device="cpu").model.query_tokens, trained)
    assert capsys.readouterr().err == ""
    assert not torch.equal(open_answerer("miniature", home, device="cpu").model.query_tokens, trained)
    told = capsys.readouterr().err
    assert "miniature is the start that ib-data ships" in told
    assert "the run of that name is runs/miniature" in told
    assert told.count("\n") == 1
    refused = cli("model", "export", "miniature", "--out", "model", "--home", home.root)
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "not a run; name runs/miniature" in refused.err
    assert cli("model", "export", "runs/miniature", "--out", "model", "--home", home.root).code == 0


def test_generate_asks_the_start(cli, home, tmp_path) -> None:
    (tmp_path / "red.png").write_bytes(draw("red", "circle"))
    asked = ("--image", tmp_path / "red.png", "--prompt", "Caption:", "--max-new-tokens", 4, "--device", "cpu")
    for name in NAMES:
        said = cli("generate", "--model", name, *asked, "--home", home.root)
        assert (said.code, said.err) == (0, "")
