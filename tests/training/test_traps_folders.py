"""The traps of transformers that concern folders: merging, tied weights, checkpoints, exports and image processors."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_weights import (
    QUERIES,
    blip2_config,
    instructblip_config,
    save,
    save_language_tokenizer,
    save_qformer_tokenizer,
)
from toy_batches import stock_processor
from toy_models import toy_folder, untied
from toy_training import ToyStream, draw, silent, toy_config, train_on
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    Blip2ForConditionalGeneration,
    BlipImageProcessorPil,
    InstructBlipForConditionalGeneration,
)

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.media.normalised import normalised
from ib_data.media.pixels import pixels
from ib_data.stream_options import ImageOptions
from ib_data.training.export.export_run import export_run
from ib_data.training.model.load import load_model
from ib_data.training.model.parts import trained_parameters
from ib_data.training.weights.folder import require_model_folder
from ib_data.training.weights.merge import merge


@pytest.fixture(scope="module")
def merged(tmp_path_factory) -> tuple[Path, Path]:
    """A BLIP-2 folder in FlanT5's layout, and the start merged of it and of text weights."""
    root = tmp_path_factory.mktemp("merged")
    config = blip2_config("flan")
    config.text_config.decoder_start_token_id = 0
    untied(save(Blip2ForConditionalGeneration(config), root / "blip2", seed=1))
    save_language_tokenizer(root / "blip2")
    qformer = config.qformer_config
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings")
    text = BertConfig(vocab_size=qformer.vocab_size, **{name: getattr(qformer, name) for name in names})
    save(BertModel(text), root / "text", seed=2)
    save_qformer_tokenizer(root / "text")
    merge(root / "blip2", root / "text", root / "start")
    return root / "blip2", root / "start"


def test_trap_06_processor_without_the_number_of_queries(merged) -> None:
    image = Image.new("RGB", (32, 32))
    with pytest.raises(TypeError):
        stock_processor(num_query_tokens=None)(images=image, text="What is this?")
    loaded = load_model(merged[1])
    known = AutoTokenizer.from_pretrained(merged[1]).get_vocab()
    assert loaded.config.image_token_id == known["<image>"] == loaded.tokenizers.image_id
    assert loaded.model.get_input_embeddings().weight.shape[0] == loaded.config.text_config.vocab_size == len(known)
    assert f'"num_query_tokens": {QUERIES}' in (merged[1] / "processor_config.json").read_text()


def test_trap_09_blip2_keys(merged, tmp_path) -> None:
    blip2, start = merged
    config = instructblip_config("flan")
    config.text_config.vocab_size = blip2_config("flan").text_config.vocab_size
    _, info = InstructBlipForConditionalGeneration.from_pretrained(blip2, config=config, output_loading_info=True)
    new = "qformer.embeddings.layernorm.weight"
    assert {new, "qformer.embeddings.word_embeddings.weight"} <= set(info["missing_keys"])  # random, with a warning
    with pytest.raises(IbDataError, match=r"expected model_type 'instructblip', found .blip-2.; .*model merge"):
        load_model(blip2)
    for file in ("model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / file).write_bytes((blip2 / file).read_bytes())
    config.save_pretrained(tmp_path)
    with pytest.raises(IbDataError, match=r"missing.*model merge"):
        require_model_folder(tmp_path)
    old = load_file(blip2 / "model.safetensors")["qformer.layernorm.weight"]
    assert torch.equal(load_model(start).model.get_parameter(new), old)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, Path, Path]:
    """A start in FlanT5's layout, two steps of it, and the exported run."""
    root = tmp_path_factory.mktemp("run")
    config = toy_config(
        model=str(untied(toy_folder(root / "start", "t5"))), steps=2, warmup_steps=1, learning_rate=1e-2
    )
    train_on(config, ToyStream(), root / "run", silent)
    export_run(root / "run", root / "model", Home(root))
    return root / "start", root / "run" / "step-000002", root / "model"


def test_trap_13_tied_weights(run, merged) -> None:
    start, _, exported = run
    head, shared = "language_model.lm_head.weight", "language_model.shared.weight"
    stored = load_file(start / "model.safetensors")
    for folder in (start, exported):
        model = load_model(folder).model
        assert torch.equal(model.get_parameter(head), stored[head])
        assert torch.equal(model.get_parameter(shared), stored[shared])
        assert not model.language_model.config.scale_decoder_outputs
        assert model.language_model.encoder.embed_tokens.weight is model.language_model.shared.weight
    blip2, ours = load_file(merged[0] / "model.safetensors"), load_model(merged[1]).model
    assert not ours.language_model.config.scale_decoder_outputs
    for name in (head, shared):  # larger by <image>, and each its own
        assert torch.equal(ours.get_parameter(name)[: len(blip2[name])], blip2[name])
        assert len(ours.get_parameter(name)) == ours.config.text_config.vocab_size == len(blip2[name]) + 1


def test_trap_15_a_checkpoint_holds_what_trains_and_an_export_everything(run) -> None:
    start, checkpoint, exported = run
    trained = load_file(checkpoint / "trained.safetensors")
    assert set(trained) == set(trained_parameters(load_model(start).model))
    whole = load_file(exported / "model.safetensors")
    assert set(whole) == set(load_file(start / "model.safetensors"))
    assert all(torch.equal(whole[name], value) for name, value in trained.items())
    for name in ("config.json", "processor_config.json", "tokenizer.json", "qformer_tokenizer/tokenizer.json"):
        assert (exported / name).is_file()


def test_trap_16_image_size_and_torchvision(merged) -> None:
    assert BlipImageProcessorPil().size == {"height": 384, "width": 384}
    assert ImageOptions().image_px == 224
    media = draw("red", "circle", (90, 40))
    ours = normalised(torch.from_numpy(pixels(media, "image", ImageOptions()))[None])[0].numpy()
    with Image.open(io.BytesIO(media)) as image:
        processor = BlipImageProcessorPil(size={"height": 224, "width": 224})
        stock = processor(image.convert("RGB"), return_tensors="np")["pixel_values"][0]
    assert np.abs(ours - stock).max() < 1e-5
    assert '"height": 28' in (merged[1] / "processor_config.json").read_text()  # the size of its encoder
