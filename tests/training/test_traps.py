"""The traps of the stock modules of transformers, each with a test that our path avoids it.

Those of folders are in `test_traps_folders.py`. Where it is cheap, the test also shows the trap itself, so that a
change in transformers is noticed.
"""

import dataclasses

import pytest
import torch
from safetensors.torch import load_file
from toy_batches import at_targets, chat, clip, shared_model, stock_inputs, stock_processor, with_texts
from toy_models import FAMILIES, shared_toy_folder
from toy_training import toy_collator, toy_example, toy_loaded
from transformers import (
    InstructBlipForConditionalGeneration,
    LogitsProcessor,
)

from ib_data.training.loop.losses import losses_of
from ib_data.training.loop.ranks import Ranks
from ib_data.training.loop.step import step_gradients
from ib_data.training.model.forward import batch_prompt, image_features, language_inputs, target_losses
from ib_data.training.model.load import load_model
from ib_data.training.model.parts import TRAINED, autocast, trained_parameters

families = pytest.mark.parametrize("family", FAMILIES)
PROMPT, TARGET = "What shape is shown? Short answer:", "a red circle on white"
CPU = Ranks(world=1, rank=0, device=torch.device("cpu"))


def batch_of(examples, family="llama", **changes):
    return toy_collator(family, **changes).batch(examples)


@families
def test_trap_01_answer_leak(family) -> None:
    stock, ours = stock_processor(family), toy_collator(family)
    leaked = stock(text=f"{PROMPT} {TARGET}")["qformer_input_ids"][0]
    answer = ours.rows.tokenizers.qformer.ids(TARGET)
    assert leaked[-len(answer) - 1 : -1] == answer
    batch = ours.batch([with_texts(toy_example(0), PROMPT, TARGET)])
    assert batch.qformer_input_ids.tolist() == [stock(text=PROMPT)["qformer_input_ids"][0]]


def test_trap_02_left_padding_moves_the_text_of_the_qformer() -> None:
    model, texts = shared_model(), [PROMPT, " ".join(["a red circle on white"] * 12)]
    padded = stock_processor(padding_side="left")(text=texts, padding=True, return_tensors="pt")
    assert padded["qformer_attention_mask"][0, 0] == 0
    ours = batch_of([with_texts(toy_example(number), text, "red") for number, text in enumerate(texts)])
    assert ours.qformer_attention_mask[:, 0].all()
    alone = batch_of([with_texts(toy_example(0), PROMPT, "red")])
    ids, mask = padded["qformer_input_ids"], padded["qformer_attention_mask"]
    stock = dataclasses.replace(ours, qformer_input_ids=ids, qformer_attention_mask=mask)
    with torch.no_grad():
        expected = batch_prompt(model, alone)[0]
        assert (batch_prompt(model, stock)[0] - expected).abs().max() > 1e-3
        assert (batch_prompt(model, ours)[0] - expected).abs().max() < 1e-5


class _Seen(LogitsProcessor):
    """Notes the ids that processors such as the repetition penalty look at."""

    def __init__(self) -> None:
        self.ids: list[list[int]] = []

    def __call__(self, input_ids, scores):
        self.ids.append(input_ids[0].tolist())
        return scores


def generated(family, *, stock: bool):
    """The result of 3 tokens for one image and prompt, and the ids that logits processors saw at the first."""
    model, seen = shared_model(family), _Seen()
    batch = batch_of([with_texts(toy_example(0), PROMPT, "")], family)
    ids = torch.tensor([toy_collator(family).rows.prompt(PROMPT, 1, truncate=False)])
    options = {"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False, "logits_processor": [seen]}
    mask = torch.ones_like(ids)
    if stock:
        given = {name: stock_inputs(batch)[name] for name in ("pixel_values", "qformer_input_ids")}
        found = model.generate(**given, input_ids=ids, attention_mask=mask, **options)
    else:
        with torch.no_grad():
            embeddings = language_inputs(model, batch_prompt(model, batch), ids)
        found = model.language_model.generate(inputs_embeds=embeddings, attention_mask=mask, **options)
    return found[0].tolist(), seen.ids[0], ids[0].tolist()


def test_trap_03_repetition_penalty_on_the_prompt() -> None:
    _, stock_seen, prompt = generated("llama", stock=True)
    assert stock_seen == prompt
    assert generated("llama", stock=False)[1] == []
    assert generated("t5", stock=False)[1] == [0]  # the decoder's start


def test_trap_04_generate_returns_the_prompt() -> None:
    stock, _, prompt = generated("llama", stock=True)
    ours, _, _ = generated("llama", stock=False)
    assert stock[: len(prompt)] == prompt
    assert ours == stock[len(prompt) :]
    assert len(ours) == 3
    encoder_decoder, _, _ = generated("t5", stock=False)
    assert encoder_decoder == generated("t5", stock=True)[0]
    assert len(encoder_decoder) == 1 + 3


@families
def test_trap_05_silent_loss_of_the_image(family) -> None:
    model = shared_model(family)
    batch = batch_of([toy_example(0), clip(1), chat()], family)
    counts = (batch.input_ids == model.config.image_token_id).sum(dim=1)
    assert counts.tolist() == [8, 32, 8]
    one = batch_of([toy_example(0)], family)
    short = {**stock_inputs(one), "input_ids": one.input_ids.clone()}
    short["input_ids"][0, :4] = 1
    with torch.no_grad():
        assert model(**short).loss.isfinite()  # half of the image is gone, and nobody knows
        with pytest.raises(RuntimeError, match="one placeholder per query"):
            target_losses(model, dataclasses.replace(one, input_ids=short["input_ids"]))


def test_trap_07_texts_longer_than_the_table_of_positions() -> None:
    model, long = shared_model(), "red " * 600
    stock = stock_processor()(text=long, return_tensors="pt")["qformer_input_ids"]
    with pytest.raises((IndexError, RuntimeError)), torch.no_grad():
        model.qformer(input_ids=stock, query_embeds=model.query_tokens, attention_mask=None)
    batch = batch_of([with_texts(toy_example(0), long, "red")])
    assert batch.qformer_input_ids.shape[1] == 128  # the Q-Former's own budget
    assert batch.input_ids.shape[1] == 8 + 128 + 2  # placeholders do not count
    with torch.no_grad():
        assert target_losses(model, batch).isfinite().all()


@families
def test_trap_08_no_text_for_the_qformer(family) -> None:
    model = shared_model(family, instruction_aware=False)
    batch = batch_of([toy_example(0)], family, instruction_aware=False)
    with torch.no_grad():
        with pytest.raises((TypeError, AttributeError)):
            model(**stock_inputs(batch))
        assert target_losses(model, batch).isfinite().all()


@families
def test_trap_10_dtypes(family) -> None:
    folder, batch = shared_toy_folder(family), batch_of([toy_example(p) for p in (0, 8, 17)], family)
    stock = InstructBlipForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16)
    assert {p.dtype for p in stock.parameters()} == {torch.bfloat16}  # no masters left
    stock.qformer.float()
    with torch.no_grad(), pytest.raises(RuntimeError):  # float32 beside bfloat16 needs autocast
        stock(**stock_inputs(batch))
    model = load_model(folder, dtype=torch.bfloat16).model.eval()
    stored = load_file(folder / "model.safetensors")
    assert all(torch.equal(p, stored[n]) for n, p in model.named_parameters() if n.startswith(TRAINED))
    with autocast(torch.bfloat16, torch.device("cpu")):
        losses = target_losses(model, batch)
    losses.mean().backward()
    assert losses.dtype == torch.float32
    assert {p.grad.dtype for p in trained_parameters(model).values()} == {torch.float32}
    torch.testing.assert_close(losses, target_losses(shared_model(family), batch), atol=0.1, rtol=0.02)


@families
def test_trap_11_attention_implementations_agree(family) -> None:
    model = toy_loaded(family).model.eval()
    assert model.vision_model.config._attn_implementation == "sdpa"
    assert model.qformer.config._attn_implementation == "sdpa"
    batch = batch_of([toy_example(0), clip(1), with_texts(toy_example(2), "a " * 40, "red")], family)
    with torch.no_grad():
        prompts, losses = batch_prompt(model, batch), target_losses(model, batch)
        model.set_attn_implementation("eager")
        assert model.qformer.config._attn_implementation == "eager"
        torch.testing.assert_close(batch_prompt(model, batch), prompts, atol=1e-5, rtol=0)
        torch.testing.assert_close(target_losses(model, batch), losses, atol=1e-5, rtol=0)


@families
def test_trap_12_accumulation_does_not_multiply_gradients(family) -> None:
    model = shared_model(family)
    examples = [toy_example(p) for p in range(8)]
    given = stock_inputs(batch_of(examples, family))
    with torch.no_grad():
        one, other = model(**given).loss, model(**given, num_items_in_batch=1000).loss
    assert (one == other) == (family == "t5")  # T5 ignores what the Trainer then relies on
    found = []
    for size in (8, 4, 1):
        step = toy_collator(family, micro_batch_size=size)(examples)
        optimizer = torch.optim.SGD(trained_parameters(model).values(), lr=0.0)
        result = step_gradients(
            losses_of(model, CPU), optimizer, step, CPU,
            num_targets=step.num_targets, learning_rate=0.0, dtype=torch.float32, seed=0, step=0,
        )  # fmt: skip
        found.append((result.loss, {name: p.grad.clone() for name, p in trained_parameters(model).items()}))
    for loss, gradients in found[1:]:
        assert abs(loss - found[0][0]) < 1e-6
        for name, gradient in gradients.items():
            torch.testing.assert_close(gradient, found[0][1][name], atol=1e-6, rtol=1e-4)


def test_trap_14_initial_values_that_make_all_images_equal() -> None:
    model, batch = shared_model(), batch_of([toy_example(0), toy_example(1)])
    stock = InstructBlipForConditionalGeneration(model.config).eval()
    assert not stock.query_tokens.any()
    with torch.no_grad():
        one, other = image_features(stock, batch.pixel_values)
        assert (one - other).abs().max() < 1e-3
        one, other = image_features(model, batch.pixel_values)
        assert (one - other).abs().mean() > 0.01
    assert model.query_tokens.std() > 0.1


@families
def test_trap_17_a_block_without_gradient_that_decays(family) -> None:
    model, batch = shared_model(family), batch_of([toy_example(p) for p in range(8)], family)
    idle = {n: p for n, p in model.named_parameters() if n.startswith(TRAINED) and not p.requires_grad}
    assert {name.split(".", 4)[-1].split(".")[0] for name in idle} == {"intermediate", "output"}
    try:
        for parameter in idle.values():  # as in the stock model
            parameter.requires_grad_(True)
        target_losses(model, batch).sum().backward()
        assert all(p.grad is not None and not p.grad.any() for p in idle.values())
    finally:
        for parameter in idle.values():
            parameter.requires_grad_(False)
    trained = trained_parameters(model)
    assert all(p.grad is not None and p.grad.any() for p in trained.values())  # so DDP needs no search
    assert not trained.keys() & idle.keys()


@families
def test_trap_18_features_are_used_again(family) -> None:
    model, batch = shared_model(family), batch_of([toy_example(0), toy_example(1)], family)
    given = stock_inputs(batch)
    with torch.no_grad():
        features = image_features(model, batch.pixel_values)
        losses = target_losses(model, batch)
        assert torch.equal(target_losses(model, batch, features), losses)
        texts = {name: given[name] for name in ("qformer_input_ids", "qformer_attention_mask")}
        image = model.get_image_features(given.pop("pixel_values"), **texts, return_dict=True)
        stock = model(pixel_values=None, mm_encoder_outputs={"image": image}, **given)
    torch.testing.assert_close(stock.loss, losses.mean(), atol=2e-6, rtol=0)
    assert at_targets(stock.logits, batch).shape == (len(losses), model.config.text_config.vocab_size)
