"""Model folders: what is accepted, and every damage in one line that says what to do."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_weights import blip2_config, instructblip_config, save, text_config
from transformers import (
    Blip2ForConditionalGeneration,
    InstructBlipForConditionalGeneration,
    LlamaForCausalLM,
    T5ForConditionalGeneration,
)

from ib_data.errors import IbDataError
from ib_data.training.weights.folder import require_model_folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """An InstructBLIP folder of each family, `llama`, `t5` and `flan`."""
    root = tmp_path_factory.mktemp("whole")
    for family in ("llama", "t5", "flan"):
        save(InstructBlipForConditionalGeneration(instructblip_config(family)), root / family)
    return root


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    """A copy of the `llama` folder that a test may damage."""
    return Path(shutil.copytree(whole / "llama", tmp_path / "model"))


def refusal(folder: Path) -> str:
    with pytest.raises(IbDataError) as caught:
        require_model_folder(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit_config(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def edit_tensors(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("family", ["llama", "t5", "flan"])
def test_a_folder_written_by_transformers_is_whole(whole, family):
    found = require_model_folder(whole / family)
    stored = load_file(whole / family / "model.safetensors")
    assert {name: (tensor.dtype, tensor.shape) for name, tensor in found.tensors.items()} == {
        name: ("F32", tuple(tensor.shape)) for name, tensor in stored.items()
    }
    assert found.config.num_query_tokens == 4
    tensor = found.tensors["query_tokens"]
    with tensor.file.open("rb") as stream:
        stream.seek(tensor.begin)
        assert stream.read(tensor.num_bytes) == stored["query_tokens"].numpy().tobytes()


def test_shards_with_an_index_are_read(whole, tmp_path):
    model = InstructBlipForConditionalGeneration.from_pretrained(whole / "t5")
    model.save_pretrained(tmp_path / "cut", max_shard_size="20KB")
    assert len(list((tmp_path / "cut").glob("*.safetensors"))) > 2
    assert require_model_folder(tmp_path / "cut").tensors.keys() == require_model_folder(whole / "t5").tensors.keys()


def test_one_file_comes_before_an_index_as_in_transformers(folder):
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"x": "gone.safetensors"}}')
    assert require_model_folder(folder).tensors["query_tokens"].file == folder / "model.safetensors"
    InstructBlipForConditionalGeneration.from_pretrained(folder)


def test_names_of_older_versions_are_accepted_as_from_pretrained_accepts_them(folder, capsys):
    def rename(tensors):
        for name in list(tensors):
            tensors[name.replace("LayerNorm.weight", "LayerNorm.gamma")] = tensors.pop(name)
        tensors["qformer.embeddings.position_ids"] = torch.arange(24)[None]  # once a stored buffer
        tensors["language_model.model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)

    edit_tensors(folder, rename)
    found = require_model_folder(folder).tensors
    name = "qformer.encoder.layer.0.output.LayerNorm."
    assert found[f"{name}weight"].name == f"{name}gamma"
    assert capsys.readouterr().err == ""
    _, info = InstructBlipForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] | info["unexpected_keys"]


def test_extra_tensors_are_noted_and_left_out(folder, capsys):
    edit_tensors(folder, lambda tensors: tensors.update(spare=torch.ones(2), more=torch.ones(2)))
    assert "spare" not in require_model_folder(folder).tensors
    assert "2 tensors (the first is more)" in capsys.readouterr().err


def test_another_architecture_is_refused_with_the_way_to_a_start(tmp_path):
    save(Blip2ForConditionalGeneration(blip2_config("llama")), tmp_path / "blip2")
    message = refusal(tmp_path / "blip2")
    assert "config.json: expected model_type 'instructblip', found 'blip-2'" in message
    assert "ib-data model merge --blip2" in message
    for family, language in (("llama", LlamaForCausalLM), ("t5", T5ForConditionalGeneration)):
        save(language(text_config(family)), tmp_path / family)
        message = refusal(tmp_path / family)
        assert f"found '{family}'" in message
        assert "ib-data model new --language" in message


def test_a_run_is_refused_with_export(tmp_path):
    (tmp_path / "step-000010").mkdir()
    assert "ib-data model export" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "expected this file, found none"),
        ("{", "expected JSON"),
        ("[" * 100_000, "expected JSON"),
        ("[]", "expected a table"),
        ("{}", "found None"),
        ('{"model_type": "instructblip"}', "expected a table 'vision_config'"),
        (" " * (2**20 + 1), "expected at most 1,048,576 bytes"),
    ],
)
def test_a_config_that_is_none_is_refused(folder, text, told):
    file = folder / "config.json"
    file.unlink()
    if text is not None:
        file.write_text(text)
    message = refusal(folder)
    assert "config.json" in message
    assert told in message


@pytest.mark.parametrize("change", [{"num_query_tokens": "four"}, {"text_config": {"model_type": "no-such-model"}}])
def test_values_that_transformers_refuses_are_one_line(folder, change):
    edit_config(folder, **change)
    assert "config.json: transformers refuses it" in refusal(folder)


def test_a_truncated_file_is_refused(folder):
    file = folder / "model.safetensors"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-1000])
    message = refusal(folder)
    assert f"{file}: damaged: its header promises {size:,} bytes, the file has {size - 1000:,}" in message
    file.write_bytes(file.read_bytes()[:100])
    assert "damaged: expected a header of" in refusal(folder)
    file.write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "git lfs pull" in refusal(folder)
    file.write_bytes(b"")
    assert "expected a safetensors file, found 0 bytes" in refusal(folder)


@pytest.mark.parametrize(
    "header",
    [
        "[]",
        '{"x"',
        '{"x": 1}',
        '{"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
        '{"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}}',
        '{"x": {"dtype": "F4", "shape": [1], "data_offsets": [0, 4]}}',
    ],
)
def test_a_damaged_header_is_one_line(folder, header):
    file = folder / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(4))
    assert str(file) in refusal(folder)


def test_a_missing_shard_and_a_wrong_index_are_refused(whole, tmp_path):
    model = InstructBlipForConditionalGeneration.from_pretrained(whole / "llama")
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    index = tmp_path / "model.safetensors.index.json"
    values = json.loads(index.read_text())
    shard = tmp_path / values["weight_map"]["query_tokens"]
    shard.rename(tmp_path / "elsewhere")
    assert f"{shard}: expected this file, found none" in refusal(tmp_path)
    (tmp_path / "elsewhere").rename(shard)
    for weight_map, told in (
        ({**values["weight_map"], "no_such": shard.name}, "expected the tensor 'no_such'"),
        ({**values["weight_map"], "query_tokens": "../x.safetensors"}, "found '../x.safetensors'"),
        ({}, "expected a table 'weight_map'"),
    ):
        index.write_text(json.dumps({"weight_map": weight_map}))
        assert told in refusal(tmp_path)


def test_a_missing_tensor_is_named(folder):
    edit_tensors(folder, lambda tensors: tensors.pop("language_projection.bias"))
    message = refusal(folder)
    assert "1 tensor (language_projection.bias) missing" in message
    assert "ib-data model merge" in message


def test_a_tied_tensor_may_be_stored_under_either_name(tmp_path, whole):
    shutil.copytree(whole / "t5", tmp_path / "model")

    def rename(tensors):
        tensors["language_model.lm_head.weight"] = tensors.pop("language_model.shared.weight")

    edit_tensors(tmp_path / "model", rename)
    assert "language_model.lm_head.weight" in require_model_folder(tmp_path / "model").tensors
    edit_tensors(tmp_path / "model", lambda tensors: tensors.pop("language_model.lm_head.weight"))
    assert "4 tensors (the first is language_model.shared.weight) missing" in refusal(tmp_path / "model")


def test_a_tensor_of_another_shape_is_named(folder):
    edit_tensors(folder, lambda tensors: tensors.update(query_tokens=torch.ones(1, 5, 16)))
    assert "query_tokens: expected shape [1, 4, 16] by config.json, found [1, 5, 16]" in refusal(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "last.ckpt"])
def test_a_pickle_is_refused_with_what_to_do(folder, name):
    (folder / "model.safetensors").rename(folder / name)
    message = refusal(folder)
    assert f"{folder / name}: expected model.safetensors, found a pickle" in message
    assert "save_pretrained" in message
    (folder / name).unlink()
    assert "expected model.safetensors or model.safetensors.index.json, found neither" in refusal(folder)
