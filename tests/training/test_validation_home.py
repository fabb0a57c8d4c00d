"""Runs over built splits are validated on their validation splits, and say which members have none."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from toy_training import silent, toy_config

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.training.loop.keeping import best
from ib_data.training.loop.trainer import train


@pytest.fixture(scope="module")
def held_in(tmp_path_factory: pytest.TempPathFactory, build_split, jpeg_of) -> Home:
    """vqav2 with its validation split, coco_caption and okvqa without."""
    home = Home(tmp_path_factory.mktemp("held_in"))
    for dataset, num_samples in (("vqav2", 8), ("coco_caption", 4), ("okvqa", 4)):
        build_split(home, dataset, num_samples, picture=jpeg_of)
    build_split(home, "vqav2", 6, "validation", picture=jpeg_of)
    return home


def mixture(folder: Path, *names: str) -> str:
    members = "".join(f'[[members]]\ndataset = "{name}"\nsplit = "train"\nsize = 8\n' for name in names)
    (folder / "some.toml").write_text(f'rule = "uniform"\n{members}')
    return str(folder / "some.toml")


def validations(out: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [row for row in rows if "validation" in row]


def test_a_run_is_validated_on_the_splits_that_are_built(held_in: Home, tmp_path: Path) -> None:
    spec = mixture(tmp_path, "vqav2", "vqav2_qg", "coco_caption", "okvqa")
    small = {"mixture": spec, "steps": 2, "warmup_steps": 1, "batch_size": 4, "validate_every": 1, "workers": 1}
    said: list[str] = []
    for seed in (0, 1):
        # Warm-up begins at a rate of 1e-8, so both seeds validate nearly the same weights after one step.
        config = toy_config(**small, seed=seed, validation_samples=5)
        train(config, held_in, tmp_path / str(seed), said.append)
    note = "validated on vqav2, vqav2_qg; not on others (validation split not built: coco_caption, okvqa)"
    assert said.count(note) == 2  # once a run
    first, second = validations(tmp_path / "0")
    assert first["validation"].keys() == {"vqav2", "vqav2_qg"}
    assert all(math.isfinite(value) for value in first["validation"].values())
    assert validations(tmp_path / "1")[0]["validation"] == pytest.approx(first["validation"], rel=1e-4)
    means = {row["validation_mean"]: row["step"] for row in (first, second)}
    assert best(tmp_path / "0") == tmp_path / "0" / f"step-{means[min(means)]:06d}"


def test_a_mixture_without_any_validation_split_says_so_and_trains(held_in: Home, tmp_path: Path) -> None:
    config = toy_config(mixture=mixture(tmp_path, "okvqa"), steps=2, warmup_steps=1, batch_size=2, validate_every=1)
    said: list[str] = []
    assert train(config, held_in, tmp_path / "run", said.append).num_new_steps == 2
    assert said.count("the run is not validated, since no member can be (validation split not built: okvqa)") == 1
    assert not validations(tmp_path / "run")
    assert best(tmp_path / "run") is None


def test_a_damaged_validation_split_stops_the_run_and_can_be_left_out(tmp_path: Path, build_split, jpeg_of) -> None:
    home = Home(tmp_path / "home")
    build_split(home, "vqav2", 4, picture=jpeg_of)
    folder = build_split(home, "vqav2", 4, "validation", picture=jpeg_of)
    shard = folder / "vqav2-validation-000000.tar"
    shard.write_bytes(shard.read_bytes()[:-512])
    small = {"mixture": mixture(tmp_path, "vqav2"), "steps": 2, "warmup_steps": 1, "batch_size": 2}
    with pytest.raises(IbDataError, match=r"vqav2-validation-000000.tar.*; saved up to step 1 in .*step-000001"):
        train(toy_config(**small, validate_every=1), home, tmp_path / "run", silent)
    assert train(toy_config(**small), home, tmp_path / "run", silent).num_new_steps == 1
