"""The shipped parts of the miniature: what is written, what is read, what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_backbones import ship, toy_parts

from ib_data.builders.miniature import mirror
from ib_data.errors import DataError, IbDataError
from ib_data.home import Home
from ib_data.training.weights import backbones_writing
from ib_data.training.weights.backbones import RECORD, read_backbones
from ib_data.training.weights.backbones_writing import write_parts
from ib_data.training.weights.miniature import miniature_folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def changed(family: str, part: str, **tensors: torch.Tensor | None) -> dict:
    """The arguments of `write_parts` with other tensors (None: without) in one part of one family."""
    parts = toy_parts()
    values = {**getattr(parts["families"][family], part), **tensors}
    values = {name: value for name, value in values.items() if value is not None}
    parts["families"][family] = replace(parts["families"][family], **{part: values})
    return parts


def test_equal_values_give_equal_bytes_in_place_of_earlier_parts(tmp_path) -> None:
    first = write_parts(tmp_path / "first", **toy_parts())
    write_parts(tmp_path / "second", **toy_parts(1))
    (tmp_path / "second" / "old.safetensors").touch()
    second = write_parts(tmp_path / "second", **toy_parts())
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    assert first.files == second.files
    assert len({path.stat().st_mode for path in (tmp_path / "first").rglob("*.*")}) == 1  # all readable alike
    assert (first.world, first.report) == (mirror.VERSION, {"made": "by a test"})


def test_weights_are_half_precision_and_stored_once(tmp_path) -> None:
    other = {"language_projection.bias": torch.ones(64), "query_tokens": torch.zeros(1, 4, 64)}
    written = write_parts(tmp_path / "parts", **changed("t5", "start", **other))
    shared = ("vision.safetensors", "qformer.safetensors")
    assert written.weights == {
        "llama": (*shared, "llama.safetensors", "start-llama.safetensors"),
        "t5": (*shared, "t5.safetensors", "start-t5.safetensors"),
    }
    stored = {
        file: load_file(tmp_path / "parts" / file) for file in {*written.weights["t5"], *written.weights["llama"]}
    }
    assert {value.dtype for tensors in stored.values() for value in tensors.values()} == {torch.float16}
    assert set(stored["start-t5.safetensors"]) == set(stored["start-llama.safetensors"]) == set(other)
    assert "language_model.encoder.embed_tokens.weight" not in stored["t5.safetensors"]  # the shared table


def test_a_model_that_is_not_whole_is_refused(tmp_path) -> None:
    embedding = "language_model.lm_head.weight"
    for parts, said in (
        (changed("llama", "start", query_tokens=None), "llama: query_tokens is missing"),
        (changed("llama", "start", query_tokens=torch.zeros(1, 5, 64)), r"expected shape \[1, 4, 64\]"),
        (changed("t5", "language", extra=torch.zeros(1)), "t5: extra is of no part of the model"),
        (changed("llama", "start", query_tokens=torch.full((1, 4, 64), 1e5)), "query_tokens: has values"),
        (changed("t5", "language", **{embedding: torch.zeros(1)}), f"{embedding} and .* are one tensor"),
    ):
        with pytest.raises(ValueError, match=said):
            write_parts(tmp_path / "parts", **parts)
        assert not list(tmp_path.iterdir())


def test_too_many_bytes_and_a_folder_of_other_files_are_refused(tmp_path, monkeypatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(IbDataError, match="is not empty"):
        write_parts(tmp_path / "mine", **toy_parts())
    monkeypatch.setattr(backbones_writing, "MOST_BYTES", 100_000)
    with pytest.raises(ValueError, match="more than 100,000"):
        write_parts(tmp_path / "parts", **toy_parts())
    assert contents(tmp_path) == {"mine/thesis.txt": b""}


def refusal(home: Home) -> str:
    with pytest.raises(DataError) as caught:
        miniature_folder(home)
    assert "\n" not in str(caught.value)
    assert "`make miniature-backbones`" in str(caught.value)
    assert not (home.root / "models").exists()
    return str(caught.value)


def test_parts_of_another_world_are_refused_with_the_command_that_makes_them_again(home, tmp_path, monkeypatch) -> None:
    ship(monkeypatch, tmp_path / "parts")
    monkeypatch.setattr(mirror, "VERSION", mirror.VERSION + 1)
    said = refusal(home)
    assert f"made for version {mirror.VERSION - 1} of the drawn world" in said
    assert f"draws version {mirror.VERSION}" in said


def test_missing_and_damaged_parts_are_named(home, tmp_path, monkeypatch) -> None:
    folder = ship(monkeypatch, tmp_path / "parts")
    part = folder / "vision.safetensors"
    data = bytearray(part.read_bytes())
    data[-1] ^= 1
    part.write_bytes(data)
    assert f"{part}: damaged: expected SHA-256" in refusal(home)
    part.unlink()
    assert f"{part}: expected this part of the miniature, found no such file" in refusal(home)
    (folder / RECORD).unlink()
    assert f"{folder / RECORD}: expected the parts of the miniature, found no such file" in refusal(home)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "expected format 1, found 2"),
        ({"format": None}, "'format'"),
        ({"weights": {"llama": ["other.safetensors"]}}, "'files' has no 'other.safetensors'"),
        ({"weights": {}}, "has no parts of the family llama"),
        ({"files": {"vision.safetensors": {"bytes": -1, "sha256": ""}}}, "expected an integer from 0"),
    ],
)
def test_a_damaged_record_is_one_line(home, tmp_path, monkeypatch, change, said) -> None:
    record = ship(monkeypatch, tmp_path / "parts") / RECORD
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    assert said in refusal(home)
    record.write_text("{")
    assert f"{record}: damaged" in refusal(home)


def test_the_parts_of_another_folder_are_read_too(tmp_path) -> None:
    written = write_parts(tmp_path / "parts", **toy_parts())
    assert read_backbones(tmp_path / "parts") == written
