"""Counted FLOPs equal those of torch's counter on the real shapes, on the meta device, and the published table."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    GPT2Config,
    InstructBlipConfig,
    InstructBlipQFormerConfig,
    InstructBlipQFormerModel,
    InstructBlipVisionModel,
)

from ib_data.training.estimate.flops import Row, step_flops
from ib_data.training.estimate.parts import Parts, parts_of
from ib_data.training.estimate.shapes import LANGUAGE_MODELS, named_config, named_like

# model.md's counts, in 10^12: (model, instruction and target tokens, language model forward, backward, whole step).
# There the causal models compute the vocabulary at every position.
PUBLISHED = (
    ("flant5-xl", 20, 5, 0.156, 0.156, 0.88),
    ("flant5-xl", 20, 15, 0.185, 0.185, 0.93),
    ("flant5-xl", 40, 80, 0.427, 0.427, 1.43),
    ("flant5-xl", 128, 256, 1.19, 1.20, 3.02),
    ("vicuna-7b", 20, 5, 0.755, 0.756, 2.08),
    ("vicuna-7b", 20, 15, 0.888, 0.890, 2.34),
    ("vicuna-7b", 40, 80, 2.02, 2.03, 4.63),
    ("vicuna-7b", 128, 256, 5.59, 5.68, 11.9),
    ("flant5-xxl", 20, 5, 0.622, 0.622, 1.81),
    ("vicuna-13b", 20, 5, 1.468, 1.470, 3.50),
)


@cache
def parts(name: str) -> Parts:
    return parts_of(named_config(name))


def counted(run) -> int:
    """What torch counts while `run` runs, on the meta device: eager attention, so that no product is done twice."""
    with torch.device("meta"), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def shallow(name: str) -> InstructBlipConfig:
    """A model of the real widths with two blocks in each stack, since every further block counts the same."""
    config = named_config(name)
    config.vision_config.num_hidden_layers = config.qformer_config.num_hidden_layers = 2
    config.text_config.num_hidden_layers = 2
    if name.startswith("flant5"):
        config.text_config.num_decoder_layers = 2
    return config


def test_vision_encoder_qformer_and_projection_are_counted_as_torch_does() -> None:
    config, row = shallow("vicuna-7b"), Row(instruction=0, target=0, qformer=14, frames=2)
    sizes = parts_of(config)
    found = step_flops(sizes, [row])
    with torch.device("meta"):
        vision = InstructBlipVisionModel(config.vision_config)
        qformer = InstructBlipQFormerModel(config.qformer_config)
        projection = torch.nn.Linear(768, config.text_config.hidden_size)
        pixels, features = torch.empty(2, 3, 224, 224), torch.empty(2, 257, 1408)
        queries, text = torch.empty(2, 32, 768, requires_grad=True), torch.zeros(2, 14, dtype=torch.int64)
    with torch.no_grad():
        assert found.vision == counted(lambda: vision(pixel_values=pixels))

    def both_ways() -> None:
        output = qformer(input_ids=text, query_embeds=queries, encoder_hidden_states=features).last_hidden_state
        output[:, :32].sum().backward()

    assert found.qformer == counted(both_ways)
    assert found.projection == counted(lambda: projection(queries).sum().backward())
    forward = step_flops(sizes, [row], backward=False)
    assert forward.qformer == counted(lambda: qformer(text, query_embeds=queries, encoder_hidden_states=features))


LONG, CLIP = Row(instruction=128, target=256, qformer=128), Row(instruction=12, target=6, qformer=14, frames=4)


@pytest.mark.parametrize("name", ["flant5-xl", "vicuna-7b"])
def test_the_language_model_is_counted_as_torch_does(name: str) -> None:
    sizes, config = parts_of(shallow(name)), shallow(name).text_config
    causal = name == "vicuna-7b"
    with torch.device("meta"):
        model = (AutoModelForCausalLM if causal else AutoModelForSeq2SeqLM).from_config(config).requires_grad_(False)
    for row in (LONG, CLIP):
        length = row.frames * 32 + row.instruction + row.target * causal
        with torch.device("meta"):
            inputs = {"inputs_embeds": torch.empty(1, length, config.hidden_size, requires_grad=True)}
            if causal:  # a mask that the library takes as it is: to look into one it would need values
                inputs["attention_mask"] = torch.zeros(1, 1, length, length)
            else:
                inputs["decoder_input_ids"] = torch.zeros(1, row.target, dtype=torch.int64)
        expected = counted(lambda inputs=inputs: model(**inputs, use_cache=False).logits.sum().backward())
        assert step_flops(sizes, [row], all_logits=True).language == expected


@pytest.mark.parametrize(("name", "instruction", "target", "forward", "backward", "total"), PUBLISHED)
def test_the_count_is_the_published_one(
    name: str, instruction: int, target: int, forward: float, backward: float, total: float
) -> None:
    row = Row(instruction=instruction, target=target, qformer=instruction)
    ways = step_flops(parts(name), [row], all_logits=True)
    there = step_flops(parts(name), [row], all_logits=True, backward=False)
    assert there.vision == pytest.approx(0.521e12, rel=0.001)
    assert there.language == pytest.approx(forward * 1e12, rel=0.004)
    assert ways.language - there.language == pytest.approx(backward * 1e12, rel=0.006)
    assert ways.total == pytest.approx(total * 1e12, rel=0.006)


def test_shared_images_and_cached_features_save_the_encoder_alone() -> None:
    rows = [Row(instruction=20, target=5, qformer=20)] * 6
    apart, together, cached = (step_flops(parts("flant5-xl"), rows, num_images=n) for n in (None, 1, 0))
    assert (apart.vision, cached.vision) == (6 * together.vision, 0)
    assert replace(apart, vision=0.0) == replace(together, vision=0.0) == cached


def test_logits_are_counted_where_targets_are() -> None:
    row = Row(instruction=20, target=5, qformer=20)
    some, all_ = (step_flops(parts("vicuna-7b"), [row], all_logits=every).language for every in (False, True))
    assert all_ - some == 4 * (32 + 20) * 4096 * 32_001


def test_other_language_models_are_counted_from_their_matrices() -> None:
    language = GPT2Config(vocab_size=50, n_embd=8, n_layer=3, n_head=2, n_positions=64)
    qformer = InstructBlipQFormerConfig(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    found = parts_of(InstructBlipConfig(qformer_config=qformer, text_config=language, num_query_tokens=2))
    assert found.decoder.weights == 3 * 12 * 8 * 8  # 4 of attention, 4 each to and from the wider layer
    assert (found.head, found.encoder) == (50 * 8, None)
    row = Row(instruction=3, target=2, qformer=0)
    assert step_flops(found, [row], backward=False).language == 2 * (7 * 3 * 12 * 64 + 2 * 400) + 3 * 4 * 7 * 7 * 8


def test_parameters_are_those_of_the_paper() -> None:
    found = {name: parts(name) for name in LANGUAGE_MODELS}
    # The paper's 188M, without 4.7M of the last layer's text feed-forward, which feeds nothing.
    assert [round(found[name].num_trained / 1e6) for name in ("flant5-xl", "vicuna-7b")] == [183, 184]
    assert round(found["vicuna-7b"].parameters["vision_model"] / 1e6) == 986
    assert round(found["vicuna-13b"].parameters["language_model"] / 1e9, 1) == 13.0


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("./starts/flant5-xl", "flant5-xl"),
        ("Salesforce/instructblip-flan-t5-xxl", "flant5-xxl"),
        ("Salesforce/instructblip-vicuna-7b", "vicuna-7b"),
        ("./starts/vicuna-7b-captions", "vicuna-7b"),
        ("miniature", None),
    ],
)
def test_a_model_is_known_by_its_name(model: str, name: str | None) -> None:
    assert named_like(model) == name
