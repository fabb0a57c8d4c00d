"""A model folder in memory: what trains, in which precision, and the quirks of the released models."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from toy_batches import shared_model
from toy_models import ALL_FAMILIES, FAMILIES, shared_toy_folder, toy_folder
from toy_training import toy_collator, toy_config, toy_example, toy_loaded

from ib_data.errors import IbDataError
from ib_data.training.loop.optimizer import adamw
from ib_data.training.model.forward import target_losses
from ib_data.training.model.load import load_model
from ib_data.training.model.parts import TRAINED, frozen_dtype, trained_parameters
from ib_data.training.model.random_values import random_model

families = pytest.mark.parametrize("family", FAMILIES)
LAST_TEXT_FEED_FORWARD = ("qformer.encoder.layer.1.intermediate.", "qformer.encoder.layer.1.output.")


def set_text_config(folder, **values) -> None:
    """Set values of the language model's configuration; None removes one."""
    config = json.loads((folder / "config.json").read_text())
    text = config["text_config"] | values
    config["text_config"] = {name: value for name, value in text.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))


def losses_of(model, family="t5"):
    batch = toy_collator(family).batch([toy_example(p) for p in (0, 8, 17)])
    with torch.no_grad():
        return target_losses(model.eval(), batch)


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_only_qformer_queries_and_projection_train(family) -> None:
    model = shared_model(family)
    trained = trained_parameters(model)
    assert list(trained) == sorted(trained)
    assert {name.split(".")[0] for name in trained} == {"qformer", "language_projection", "query_tokens"}
    idle = {name for name, _ in model.named_parameters() if name.startswith(TRAINED)} - set(trained)
    assert idle == {name for name, _ in model.named_parameters() if name.startswith(LAST_TEXT_FEED_FORWARD)} != set()


def test_frozen_parts_stay_in_evaluation_mode() -> None:
    model = toy_loaded().model
    model.train()
    assert model.qformer.training
    for part in (model.vision_model, model.language_model):
        assert not any(module.training for module in part.modules())


@families
def test_steps_change_everything_that_trains_and_nothing_else(family) -> None:
    model = toy_loaded(family).model
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.train()
    optimizer = adamw(trained_parameters(model), toy_config())
    collator = toy_collator(family)
    for step in range(2):
        optimizer.zero_grad()
        target_losses(model, collator.batch([toy_example(24 * step + p) for p in range(24)])).mean().backward()
        optimizer.step()
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == set(trained_parameters(model))
    assert all(p.grad is None for p in model.parameters() if not p.requires_grad)


@families
def test_bfloat16_rounds_the_frozen_parts_and_keeps_the_trained_ones_of_the_file(family) -> None:
    folder = shared_toy_folder(family)
    stored = load_file(folder / "model.safetensors")
    model = load_model(folder, dtype=torch.bfloat16).model
    for name, parameter in model.named_parameters():
        if name.startswith(TRAINED):
            assert parameter.dtype == torch.float32
            assert torch.equal(parameter, stored[name])
        else:
            assert parameter.dtype == torch.bfloat16
            source = "language_model.shared.weight" if name not in stored else name
            assert torch.equal(parameter, stored[source].bfloat16())


def test_masters_are_read_from_shards_too(tmp_path) -> None:
    sharded = tmp_path / "sharded"
    loaded = toy_loaded()
    toy_folder(sharded)
    (sharded / "model.safetensors").unlink()
    loaded.model.save_pretrained(sharded, max_shard_size="200KB")
    assert len(list(sharded.glob("model-*.safetensors"))) > 1
    again = load_model(sharded, dtype=torch.bfloat16).model
    for name, parameter in trained_parameters(loaded.model).items():
        assert torch.equal(again.get_parameter(name), parameter)


def test_precision_follows_the_device() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert [frozen_dtype("auto", device) for device in (cpu, cuda)] == [torch.float32, torch.bfloat16]
    assert {frozen_dtype("float32", device) for device in (cpu, cuda)} == {torch.float32}
    assert {frozen_dtype("bfloat16", device) for device in (cpu, cuda)} == {torch.bfloat16}


def test_flan_t5_keeps_the_activation_of_its_folder(tmp_path) -> None:
    folder = toy_folder(tmp_path / "model", "t5")
    plain = losses_of(load_model(folder).model)
    assert torch.equal(losses_of(load_model(folder, activation="gelu_new").model), plain)
    exact = losses_of(load_model(folder, activation="gelu").model)
    assert 0 < (exact - plain).abs().max() < 0.01  # the two differ by at most 1e-3
    set_text_config(folder, dense_act_fn="gelu")
    assert torch.equal(losses_of(load_model(folder).model), exact)
    assert "\n" not in _error(folder, activation="geluu")


def test_an_activation_that_a_causal_model_takes(tmp_path) -> None:
    folder = toy_folder(tmp_path / "model")
    plain, other = (losses_of(load_model(folder, activation=name).model, "llama") for name in ("", "relu"))
    assert (plain - other).abs().max() > 1e-3


def _error(folder, **options) -> str:
    with pytest.raises(IbDataError) as caught:
        load_model(folder, **options)
    return str(caught.value)


def test_an_encoder_decoder_without_a_start_id(tmp_path) -> None:
    folder = toy_folder(tmp_path / "model", "t5")
    set_text_config(folder, decoder_start_token_id=None)
    assert "config.json: text_config has no decoder_start_token_id; add it" in _error(folder)


def flan_folder(folder):
    """FlanT5's layout: a head of its own, `tie_word_embeddings` false, as its released configuration has it."""
    toy_folder(folder, "t5")
    tensors = load_file(folder / "model.safetensors")
    tensors["language_model.lm_head.weight"] = tensors["language_model.shared.weight"].flip(0) * 2
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    set_text_config(folder, tie_word_embeddings=False, scale_decoder_outputs=None)
    return folder, tensors


def test_the_head_of_flan_t5_stays_its_own(tmp_path) -> None:
    folder, tensors = flan_folder(tmp_path / "model")
    model = load_model(folder).model
    _require_untied(model, tensors)
    model.save_pretrained(folder)  # as transformers writes it: its configuration then says "tied"
    assert json.loads((folder / "config.json").read_text())["text_config"]["tie_word_embeddings"] is True
    again = load_model(folder).model
    _require_untied(again, tensors)
    assert torch.equal(losses_of(again), losses_of(model))


def test_flan_t5_without_its_head(tmp_path) -> None:
    folder, tensors = flan_folder(tmp_path / "model")
    del tensors["language_model.lm_head.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert "language_model.lm_head.weight is missing; copy the folder again" in _error(folder)


def _require_untied(model, tensors) -> None:
    language = model.language_model
    assert torch.equal(language.lm_head.weight, tensors["language_model.lm_head.weight"])
    assert torch.equal(language.shared.weight, tensors["language_model.shared.weight"])
    assert language.encoder.embed_tokens.weight is language.shared.weight is language.decoder.embed_tokens.weight
    assert not language.config.scale_decoder_outputs


def test_the_same_seed_gives_the_same_values_and_leaves_torch_alone() -> None:
    config = shared_model().config
    before = torch.get_rng_state()
    one, same, other = (dict(random_model(config, seed).named_parameters()) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one if one[name].dim() > 1)
