"""Which keys may differ when a run is resumed, and which mixtures are an error before any step."""

import re
import shutil

import pytest
import torch
from test_train_loop import logged
from toy_models import shared_toy_folder, toy_folder
from toy_training import KilledError, ToyStream, silent, toy_config, train_on

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.training.config.config_file import load_config
from ib_data.training.config.train_config import FREE, GROWING
from ib_data.training.generation.opened import load
from ib_data.training.loop.optimizer import learning_rate_at
from ib_data.training.loop.trainer import train


def test_steps_may_grow_and_the_rate_follows_the_longer_schedule(tmp_path) -> None:
    train_on(toy_config(), ToyStream(), tmp_path, silent)
    lines: list[str] = []
    longer = toy_config(steps=9)
    outcome = train_on(longer, ToyStream(), tmp_path, lines.append)
    assert outcome.num_new_steps == 3
    assert lines[:2] == [
        "resuming at step 6 of 9",
        "steps was 6, is 9: the learning rate follows the longer schedule from here on (0.00e+00 becomes "
        f"{learning_rate_at(6, longer):.2e})",
    ]
    assert [row["step"] for row in logged(tmp_path)] == list(range(9))
    assert [row["learning_rate"] for row in logged(tmp_path)][6:] == [learning_rate_at(s, longer) for s in (6, 7, 8)]


def test_steps_may_not_shrink(tmp_path) -> None:
    train_on(toy_config(), ToyStream(), tmp_path, silent)
    with pytest.raises(
        IbDataError, match=r"cannot resume: steps was 6, is 5 \(it may only grow\); give the old values"
    ):
        train_on(toy_config(steps=5), ToyStream(), tmp_path, silent)


def test_the_error_names_a_run_folder_that_is_free(tmp_path) -> None:
    train_on(toy_config(), ToyStream(), tmp_path / "run", silent)
    (tmp_path / "run-2").mkdir()
    with pytest.raises(IbDataError, match=f"such as --out {re.escape(str(tmp_path / 'run-3'))}$"):
        train_on(toy_config(seed=3), ToyStream(), tmp_path / "run", silent)


def test_keys_that_may_differ_change_no_loss(tmp_path) -> None:
    changed = {"save_every": 2, "cpu_threads": 1, "shards": "file:///x", "cache_gb": 1, "max_bad_share": 0.5}
    changed |= {"strict": True, "available": True, "templates": "mine", "workers": 1, "device": "auto", "keep": 5}
    changed |= {
        "validate_every": 0,
        "validation_samples": 3,
        "score_every": 0,
        "scoring_samples": 3,
        "tensorboard": False,
    }
    changed |= {"model": str(toy_folder(tmp_path / "copy"))}
    last_bits = {"micro_batch_size": 4, "group_by_length": True, "compile": False, "shard_language_model": False}
    last_bits |= {"feature_cache_gb": 0}
    assert changed.keys() | last_bits.keys() == set(FREE)
    train_on(toy_config(), ToyStream(), tmp_path / "straight", silent)
    with pytest.raises(KilledError):
        train_on(toy_config(), ToyStream(stop_at=35), tmp_path / "changed", silent)
    shutil.copytree(tmp_path / "changed", tmp_path / "bits")
    config = toy_config(**{**changed, "device": "cpu"})
    assert train_on(config, ToyStream(), tmp_path / "changed", silent).num_new_steps == 3
    assert train_on(toy_config(**last_bits), ToyStream(), tmp_path / "bits", silent).num_new_steps == 3
    losses = [[row["loss"] for row in logged(tmp_path / run)] for run in ("straight", "changed", "bits")]
    assert losses[0] == losses[1]
    assert losses[0] == pytest.approx(losses[2], abs=1e-5)


def test_every_other_key_must_stay(tmp_path) -> None:
    train_on(toy_config(), ToyStream(), tmp_path, silent)
    others = {
        "mixture": "x", "batch_size": 4, "learning_rate": 1e-4, "warmup_steps": 1, "weight_decay": 0.1,
        "betas": (0.8, 0.9), "seed": 1, "image_px": 64, "max_instruction_tokens": 12, "max_target_tokens": 12,
        "augment": "none", "decode": "fast", "frames": 8, "annotations_per_image": 2, "local_order": True,
        "instruction_aware": False, "bos_token": "</s>", "activation": "gelu", "precision": "bfloat16",
    }  # fmt: skip
    assert set(toy_config().values()) == others.keys() | {*FREE, *GROWING}
    for key, value in others.items():
        with pytest.raises(IbDataError, match=f"cannot resume: {key} was "):
            train_on(toy_config(**{key: value}), ToyStream(), tmp_path, silent)


def test_two_configurations_of_one_name_do_not_meet(cli, tmp_path) -> None:
    home = ("--home", tmp_path / "home")
    assert cli("build", "okvqa", "--mini", "--workers", 1, *home).code == 0
    (tmp_path / "one.toml").write_text('rule = "sqrt"\n[[members]]\ndataset = "okvqa"\nsplit = "train"\nsize = 9009\n')
    shared = f"mixture = '{tmp_path / 'one.toml'}'\n"
    shared += f"steps = 2\nwarmup_steps = 1\nbatch_size = 2\nimage_px = 32\nmodel = '{shared_toy_folder()}'\n"
    for folder, rate in (("a", "1e-3"), ("b", "1e-4")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.toml").write_text(f"{shared}learning_rate = {rate}\ndevice = 'cpu'\n")
    assert cli("train", tmp_path / "a" / "mine.toml", *home).code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "home" / "runs").rglob("*.*") if path.is_file()}
    said = cli("train", tmp_path / "b" / "mine.toml", *home)
    assert said.code == 1
    assert "cannot resume: learning_rate was 0.001, is 0.0001; give the old values" in said.err
    assert said.err.endswith(f"such as --out {tmp_path / 'home' / 'runs' / 'mine-2'}\n")
    assert before == {path: path.read_bytes() for path in (tmp_path / "home" / "runs").rglob("*.*") if path.is_file()}


def test_clips_train_like_images(cli, tmp_path) -> None:
    home = Home(tmp_path / "home")
    for name in ("okvqa", "msvd_qa"):
        assert cli("build", name, "--mini", "--home", home.root).code == 0
    (tmp_path / "clips.toml").write_text(
        "rule = 'uniform'\n"
        "[[members]]\ndataset = 'okvqa'\nsplit = 'train'\nsize = 39\n"
        "[[members]]\ndataset = 'msvd_qa'\nsplit = 'test'\nsize = 9\n"
    )
    changes = [f"mixture={tmp_path / 'clips.toml'}", f"model={shared_toy_folder()}", "image_px=32"]
    changes += ["steps=2", "warmup_steps=1", "batch_size=8", "save_every=2"]
    outcome = train(load_config("miniature", changes), home, tmp_path / "run", silent)
    assert outcome.num_new_steps == 2


def test_members_without_images_are_refused_when_the_mixture_opens(cli, tmp_path) -> None:
    home = Home(tmp_path / "home")
    assert cli("build", "okvqa", "--mini", "--no-media", "--home", home.root).code == 0
    (tmp_path / "one.toml").write_text('rule = "sqrt"\n[[members]]\ndataset = "okvqa"\nsplit = "train"\nsize = 9009\n')
    says = "mixture one: built without their images: okvqa; run `ib-data build okvqa` without --no-media"
    with pytest.raises(IbDataError, match=says):
        train(load_config("miniature", [f"mixture={tmp_path / 'one.toml'}"]), home, tmp_path / "run", silent)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def foreign_defaults():
    torch.set_default_device("meta")
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_device(None)
    torch.set_default_dtype(torch.float32)


def test_pytorchs_defaults_change_no_loss(tmp_path, request) -> None:
    train_on(toy_config(), ToyStream(), tmp_path / "plain", silent)
    request.getfixturevalue("foreign_defaults")
    train_on(toy_config(steps=3), ToyStream(), tmp_path / "first", silent)
    train_on(toy_config(), ToyStream(), tmp_path / "other", silent)
    assert [row["loss"] for row in logged(tmp_path / "other")] == [row["loss"] for row in logged(tmp_path / "plain")]
    trained = load(tmp_path / "other", Home(tmp_path), "cpu")
    assert {p.dtype for p in trained.model.parameters()} == {torch.float32}
    assert (torch.get_default_dtype(), torch.get_default_device().type) == (torch.float64, "meta")
