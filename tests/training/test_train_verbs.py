import sys

import pytest
from click.testing import CliRunner
from toy_backbones import ship
from toy_training import ToyStream, draw, silent, toy_config, train_on

from ib_data import cli
from ib_data.errors import IbDataError
from ib_data.training.config.config_file import config_names


def invoke(*arguments: object):
    return CliRunner().invoke(cli.group, [str(a) for a in arguments])


def test_generate_prints_one_line(tmp_path) -> None:
    train_on(toy_config(steps=3), ToyStream(), tmp_path / "run", silent)
    (tmp_path / "red.png").write_bytes(draw("red", "circle"))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    shared = ("generate", "--model", tmp_path / "run", "--prompt", "Caption:", "--max-new-tokens", 4)
    result = invoke(*shared, "--image", tmp_path / "red.png")
    assert result.exit_code == 0, result.exception
    assert len(result.stdout.splitlines()) == 1
    for image, said in (("bad.png", "bad.png: not an image"), ("absent.png", "found no such file")):
        fault = invoke(*shared, "--image", tmp_path / image).exception
        assert isinstance(fault, IbDataError)
        assert said in str(fault)


def test_generate_needs_a_checkpoint(tmp_path) -> None:
    (tmp_path / "red.png").write_bytes(draw("red", "circle"))
    fault = invoke("generate", "--model", tmp_path, "--image", tmp_path / "red.png", "--prompt", "x").exception
    assert isinstance(fault, IbDataError)
    assert "expected a checkpoint" in str(fault)


@pytest.mark.parametrize("verb", ["train", "generate"])
def test_help_has_the_listed_first_line_and_an_example(verb: str) -> None:
    result = invoke(verb, "--help")
    assert result.exit_code == 0
    assert cli.VERBS[verb] in result.output
    assert f"ib-data {verb} " in result.output


def test_help_lists_the_packaged_configurations_and_no_range_without_limits() -> None:
    said = " ".join(invoke("train", "--help").output.split())
    assert "docs/training.md has all keys" in said
    assert ", ".join(config_names()) in said
    assert "None" not in invoke("generate", "--help").output


@pytest.mark.parametrize("given", ["batch_size=ten", "batch_size=0", "batch_siz=4", "batch_size", "warmup_steps=99999"])
def test_a_wrong_override_is_wrong_usage(given: str, cli, tmp_path) -> None:
    said = cli("train", "miniature", given, "--home", tmp_path)
    assert said.code == 2
    assert said.err.startswith("ib-data: command line: ")
    assert said.err.count("command line") == said.err.count("\n") == 1
    assert given.partition("=")[0] in said.err


def test_faulty_configuration_is_said_before_anything_runs(tmp_path) -> None:
    for arguments, said in (
        (("miniatur",), "did you mean 'miniature'"),
        (("miniature", "step=3"), "did you mean 'steps'"),
    ):
        fault = invoke("train", *arguments, "--home", tmp_path).exception
        assert isinstance(fault, IbDataError)
        assert said in str(fault)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["train", "generate"])
def test_missing_extras_name_the_remedy(verb: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    arguments = {"train": ("miniature",), "generate": ("--model", "m", "--image", __file__, "--prompt", "p")}[verb]
    fault = invoke(verb, *arguments).exception
    assert isinstance(fault, IbDataError)
    assert f"{verb} needs torch" in str(fault)
    assert "pip install 'ib-data[train]'" in str(fault)


def test_train_and_generate_on_the_miniature(tmp_path, monkeypatch) -> None:
    ship(monkeypatch)
    assert invoke("build", "okvqa", "--mini", "--workers", 1, "--home", tmp_path).exit_code == 0
    (tmp_path / "one.toml").write_text('rule = "sqrt"\n[[members]]\ndataset = "okvqa"\nsplit = "train"\nsize = 9009\n')
    changes = ["steps=4", "warmup_steps=1", "batch_size=4", "save_every=2", "image_px=32", "device=cpu"]
    arguments = ("train", "miniature", f"mixture={tmp_path / 'one.toml'}", *changes, "--home", tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == 0, result.exception
    run = tmp_path / "runs" / "miniature"
    assert f"checkpoint {run / 'step-000004'}" in result.stdout
    assert "(4 steps)" in result.stdout
    (tmp_path / "red.png").write_bytes(draw("red", "circle"))
    asked = ("generate", "--model", run, "--image", tmp_path / "red.png", "--prompt", "What is it?")
    assert invoke(*asked).exit_code == 0
    other_seed = invoke(*arguments, "seed=1").exception
    assert isinstance(other_seed, IbDataError)
    assert "cannot resume: seed was 0, is 1" in str(other_seed)
