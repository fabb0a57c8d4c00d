"""Fingerprints: of the content, not of the files; read once."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from tiny_weights import instructblip_config, save, save_language_tokenizer
from transformers import InstructBlipForConditionalGeneration

from ib_data.training.weights import fingerprint as fingerprint_module
from ib_data.training.weights.fingerprint import fingerprint, part_fingerprint
from ib_data.training.weights.folder import require_model_folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    save_language_tokenizer(folder)
    return save(InstructBlipForConditionalGeneration(instructblip_config("llama")), folder)


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def of(folder: Path, home=None) -> str:
    return fingerprint(require_model_folder(folder), home)


@pytest.fixture
def read_bytes(monkeypatch) -> list[str]:
    """The names of the tensors that were hashed."""
    read = []
    plain = fingerprint_module._sha256
    monkeypatch.setattr(fingerprint_module, "_sha256", lambda tensor: (read.append(tensor.name), plain(tensor))[1])
    return read


def test_it_is_of_the_tensors_and_the_settings(whole, folder):
    expected = []
    for name, tensor in sorted(load_file(whole / "model.safetensors").items()):
        digest = hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
        expected.append(f"{name} F32 {list(tensor.shape)} {digest}")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        expected.append(f"{name} {hashlib.sha256((whole / name).read_bytes()).hexdigest()}")
    assert of(whole) == hashlib.sha256("\n".join(expected).encode()).hexdigest()
    assert of(folder) == of(whole)


def test_shards_do_not_change_it_and_a_value_does(whole, folder):
    model = InstructBlipForConditionalGeneration.from_pretrained(whole)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    shutil.copy(whole / "config.json", folder)
    assert of(folder) == of(whole)
    tensors = load_file(whole / "model.safetensors")
    tensors["query_tokens"][0, 0, 0] += 1
    shutil.copytree(whole, folder.parent / "other")
    save_file(tensors, folder.parent / "other" / "model.safetensors")
    assert of(folder.parent / "other") != of(whole)
    parts = [require_model_folder(path) for path in (whole, folder.parent / "other")]
    assert part_fingerprint(parts[0], "vision_model.") == part_fingerprint(parts[1], "vision_model.")
    assert part_fingerprint(parts[0], "query_tokens") != part_fingerprint(parts[1], "query_tokens")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "qformer_tokenizer/vocab.txt"])
def test_a_setting_changes_it(folder, name):
    before = of(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    with (folder / name).open("a") as file:
        file.write("\n")
    assert of(folder) != before


def test_the_weights_are_read_once(folder, home, read_bytes):
    first = of(folder, home)
    num_tensors = len(read_bytes)
    assert num_tensors == len(require_model_folder(folder).tensors)
    assert of(folder, home) == first
    part_fingerprint(require_model_folder(folder), "vision_model.", home)
    assert len(read_bytes) == num_tensors
    os.utime(folder / "model.safetensors", ns=(1, 1))  # another file of the same size
    assert of(folder, home) == first
    assert len(read_bytes) == 2 * num_tensors


def test_a_damaged_memo_and_a_home_that_cannot_be_written_cost_time_only(folder, home, read_bytes):
    first = of(folder, home)
    (memo,) = (home.cache / "weights").iterdir()
    for text in ("", "[]", '{"files": 1}', "{"):
        memo.write_text(text)
        assert of(folder, home) == first
    memo.unlink()
    memo.parent.rmdir()
    memo.parent.write_text("a file where a folder should be")
    read_bytes.clear()
    assert of(folder, home) == first
    assert len(read_bytes) == len(require_model_folder(folder).tensors)
