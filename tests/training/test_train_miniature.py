"""Training on built shards: fifty steps, a falling loss, and a bit-exact resume after a kill."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from toy_backbones import ship
from toy_models import shared_toy_folder

from ib_data.home import Home
from ib_data.training.config.config_file import load_config
from ib_data.training.loop.train_log import step_rows
from ib_data.training.loop.trainer import train

# Trains, and kills itself without any clean-up when the n-th line of the log is written.
KILLED = """
import json, os, signal, sys
from pathlib import Path
from ib_data.home import Home
from ib_data.training.loop import trainer
from ib_data.training.config.config_file import load_config

real = json.dumps
def counted(value, **kwargs):
    if isinstance(value, dict) and value.get("step") == int(sys.argv[3]) and "loss" in value:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(value, **kwargs)
json.dumps = counted
config = load_config("miniature", json.loads(sys.argv[4]))
trainer.train(config, Home(Path(sys.argv[1])), Path(sys.argv[2]), lambda line: None)
"""
# Fifty steps of a toy model, whatever the packaged configuration says.
CHANGES = ["mixture=demo", "steps=50", "warmup_steps=5", "learning_rate=4e-3", "batch_size=8", "save_every=25"]
CHANGES += ["image_px=32", "cpu_threads=1"]


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Home:
    from ib_data.builders.miniature.server import miniature_fetcher
    from ib_data.builders.source.folders import SourceFolders
    from ib_data.builders.write.build import build_dataset
    from ib_data.builders.write.build_context import Build
    from ib_data.builders.write.build_options import Options
    from ib_data.cards import load_card

    home = Home(tmp_path_factory.mktemp("home"))
    with miniature_fetcher(home) as fetcher:
        build = Build(home=home, fetcher=fetcher, folders=SourceFolders(), options=Options(miniature=True))
        for name in ("vqav2", "okvqa", "aokvqa", "coco_caption"):
            build_dataset(load_card(name), build)
    return home


def losses(out: Path) -> list[float]:
    return [row["loss"] for row in step_rows((out / "log.jsonl").read_bytes())]


def test_fifty_steps_over_built_shards_and_a_kill_in_between(miniature: Home, tmp_path: Path) -> None:
    straight = tmp_path / "straight"
    changes = [*CHANGES, f"model={shared_toy_folder()}"]
    outcome = train(load_config("miniature", changes), miniature, straight, lambda line: None)
    assert len(losses(straight)) == 50
    assert sum(losses(straight)[-5:]) < 0.75 * sum(losses(straight)[:5])
    files = {path.suffix for path in outcome.checkpoint.iterdir()}
    assert files == {".safetensors", ".json", ".jsonl"}
    trained = load_file(outcome.checkpoint / "trained.safetensors")
    assert all(name.startswith(("qformer.", "language_projection.", "query_tokens")) for name in trained)

    command = [sys.executable, "-c", KILLED, str(miniature.root), str(tmp_path / "killed"), "31", json.dumps(changes)]
    killed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    lines: list[str] = []
    train(load_config("miniature", changes), miniature, tmp_path / "killed", lines.append)
    assert lines[0] == "resuming at step 25 of 50"
    assert losses(tmp_path / "killed") == losses(straight)


def test_the_answer_is_words(miniature: Home, tmp_path: Path, cli, monkeypatch) -> None:
    ship(monkeypatch)
    changes = [*CHANGES, "model=miniature", "steps=10", "save_every=10"]
    run = cli("train", "miniature", *changes, "--home", miniature.root, "--out", tmp_path / "run")
    assert run.code == 0, run.err
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(first_photo(miniature))
    asked = ("--image", photo, "--prompt", "What color is the star? Short answer:")
    result = cli("generate", "--model", tmp_path / "run", *asked)
    assert result.code == 0, result.err
    assert result.out.strip()


def first_photo(home: Home) -> bytes:
    from ib_data.stored.built_split import open_built

    built = open_built(home, "vqav2", "train")
    _, data = built.read(next(built.refs()))
    assert data is not None
    return data
