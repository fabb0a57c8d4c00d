"""The way to a start for a language model without a BLIP-2: new Q-Former, captions without text, then instructions."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_models import toy_folder
from toy_training import ToyStream, silent, toy_config, train_on

from ib_data.home import Home
from ib_data.training.export.export_run import export_run
from ib_data.training.model.load import load_model
from ib_data.training.weights.new import new
from ib_data.training.weights.tokenizer_files import QFORMER_FOLDER


@pytest.fixture(params=["llama", "t5"])
def language(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A language model alone, as the hub has it: other values than those of the vision folder."""
    loaded = load_model(toy_folder(tmp_path / "whole", request.param, seed=5))
    folder = tmp_path / "language"
    loaded.model.language_model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tmp_path / "whole" / name, folder / name)
    return folder


def test_captions_then_instructions(language: Path, tmp_path: Path) -> None:
    vision, home = toy_folder(tmp_path / "vision"), Home(tmp_path / "home")
    new(language, vision, tmp_path / "start", tokenizer=vision / QFORMER_FOLDER, num_query_tokens=8)

    captions = toy_config(model=str(tmp_path / "start"), instruction_aware=False, steps=4)
    train_on(captions, ToyStream(), tmp_path / "captions", silent)
    export_run(tmp_path / "captions", tmp_path / "captioned", home)
    start, captioned = (load_file(tmp_path / name / "model.safetensors") for name in ("start", "captioned"))
    changed = {name for name in start if not torch.equal(start[name].float(), captioned[name].float())}
    # Only what a Q-Former without text uses has been trained, and nothing of the frozen parts.
    assert {
        "query_tokens",
        "language_projection.weight",
        "qformer.encoder.layer.0.intermediate_query.dense.weight",
    } <= changed
    assert not [name for name in changed if ".intermediate.dense" in name or "word_embeddings" in name]
    assert all(name.startswith(("qformer.", "language_projection.", "query_tokens")) for name in changed)

    aware = toy_config(model=str(tmp_path / "captioned"), steps=4)
    outcome = train_on(aware, ToyStream(), tmp_path / "aware", silent)
    tuned = load_file(outcome.checkpoint / "trained.safetensors")
    word = "qformer.embeddings.word_embeddings.weight"
    assert not torch.equal(tuned[word], captioned[word].float())
