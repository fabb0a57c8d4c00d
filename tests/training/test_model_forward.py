"""Our forward pass against the stock one, for every family of language models."""

import pytest
import torch
from toy_batches import asked, at_targets, chat, clip, counted_rows, shared_model, stock_inputs, ungrouped, with_texts
from toy_models import ALL_FAMILIES, FAMILIES
from toy_training import decoded, draw, toy_collator, toy_example
from transformers import InstructBlipVideoConfig, InstructBlipVideoForConditionalGeneration

from ib_data.training.model.forward import batch_prompt, image_features, language_inputs, target_logits, target_losses
from ib_data.training.model.parts import trained_parameters

families = pytest.mark.parametrize("family", FAMILIES)
POSITIONS = (0, 8, 16, 1, 9, 17, 24)  # two images


def batch_of(examples, family="llama", **changes):
    return toy_collator(family, **changes).batch(examples)


def mixed():
    """Images, clips, a chat, and texts of very different lengths."""
    long = with_texts(toy_example(3), "a red circle on white " * 18, "a blue square on white " * 8)
    short = with_texts(toy_example(2), "", "red")
    return [toy_example(0), clip(5), long, chat(7), toy_example(8), short, clip(13), toy_example(1)]


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_losses_and_logits_equal_the_stock_forward(family) -> None:
    model = shared_model(family)
    batch = batch_of([toy_example(p) for p in POSITIONS], family)
    assert len(batch.images) == 2
    with torch.no_grad():
        losses, logits = target_losses(model, batch), target_logits(model, batch)
        stock = model(**stock_inputs(batch))
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses.mean(), stock.loss, atol=2e-6, rtol=0)
    torch.testing.assert_close(logits, at_targets(stock.logits, batch), atol=2e-5, rtol=1e-5)


@families
def test_grouping_by_image_changes_neither_losses_nor_gradients(family) -> None:
    batch = batch_of([toy_example(p) for p in POSITIONS], family)
    gradients, losses = [], []
    for each in (batch, ungrouped(batch)):
        model = shared_model(family)
        losses.append(target_losses(model, each))
        losses[-1].mean().backward()
        gradients.append({name: p.grad.clone() for name, p in trained_parameters(model).items()})
    torch.testing.assert_close(losses[0], losses[1], atol=1e-6, rtol=0)
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-6, rtol=1e-4)


@families
def test_batch_mates_and_order_change_neither_features_nor_losses(family) -> None:
    model, examples = shared_model(family), mixed()
    with torch.no_grad():
        found = [_prompts_and_losses(model, family, [each])[0] for each in examples]
        for order in (range(8), (7, 2, 5, 0, 3, 6, 1, 4)):
            together = _prompts_and_losses(model, family, [examples[number] for number in order])
            for number, (prompts, losses) in zip(order, together, strict=True):
                torch.testing.assert_close(prompts, found[number][0], atol=1e-5, rtol=0)
                torch.testing.assert_close(losses, found[number][1], atol=1e-5, rtol=0)


def _prompts_and_losses(model, family, examples):
    """The soft prompts and the target losses of each example of a batch."""
    batch = batch_of(examples, family)
    prompts, losses = batch_prompt(model, batch), target_losses(model, batch)
    return [(prompts[batch.text_index == row], losses[batch.target_rows == row]) for row in range(len(batch))]


@families
def test_a_clip_equals_the_stock_video_model(family) -> None:
    model = shared_model(family)
    batch = batch_of([clip(0), clip(9)], family)
    assert batch.frame_index.tolist() == list(range(8))
    assert batch.text_index.tolist() == [0] * 4 + [1] * 4
    config = model.config.to_dict() | {"video_token_index": model.config.image_token_id}
    del config["model_type"], config["image_token_index"]
    video = InstructBlipVideoForConditionalGeneration(InstructBlipVideoConfig(**config)).eval()
    video.load_state_dict(model.state_dict())
    given = stock_inputs(batch)
    given["pixel_values"] = given["pixel_values"].view(2, 4, 3, 32, 32)
    with torch.no_grad():
        stock, losses, logits = video(**given), target_losses(model, batch), target_logits(model, batch)
    torch.testing.assert_close(losses.mean(), stock.loss, atol=2e-6, rtol=0)
    torch.testing.assert_close(logits, at_targets(stock.logits, batch), atol=2e-5, rtol=1e-5)


def test_the_order_of_frames_matters() -> None:
    model, sample = shared_model(), clip(0)
    turned = clip(0)
    turned.pixels[:] = sample.pixels[::-1]
    with torch.no_grad():
        one, other = (target_losses(model, batch_of([each])) for each in (sample, turned))
    assert (one - other).abs().max() > 1e-4


@families
def test_an_image_is_encoded_once_and_the_head_sees_targets_only(family) -> None:
    model = shared_model(family)
    output = model.language_model.get_output_embeddings()
    batch = batch_of([*(toy_example(p) for p in POSITIONS), clip(3)], family)
    encoder, head = counted_rows(model.vision_model, "pixel_values"), counted_rows(output)
    with torch.no_grad(), encoder as encoded, head as headed:
        target_losses(model, batch)
    assert encoded == [2 + 4]
    assert headed == [len(batch.targets)]
    assert len(batch.targets) < batch.input_ids.numel() / 5
    assert not output._forward_pre_hooks  # ours is gone


@families
def test_given_features_take_the_place_of_the_encoder(family) -> None:
    model = shared_model(family)
    batch = batch_of([toy_example(0), clip(1)], family)
    with torch.no_grad():
        expected = target_losses(model, batch)
        features = image_features(model, batch.pixel_values)
        with counted_rows(model.vision_model, "pixel_values") as encoded:
            assert torch.equal(target_losses(model, batch, features), expected)
    assert encoded == []
    assert not features.requires_grad


@families
def test_a_qformer_that_reads_no_text(family) -> None:
    model = shared_model(family, instruction_aware=False)
    one, other = (
        batch_of([with_texts(toy_example(0), text, "red")], family, instruction_aware=False) for text in ("red", "blue")
    )
    assert one.qformer_input_ids is None
    assert one.qformer_attention_mask is None
    prompts = [batch_prompt(model, batch) for batch in (one, other)]
    assert torch.equal(*prompts)
    target_losses(model, one).mean().backward()
    trained = trained_parameters(model)
    assert all(p.grad is not None for p in trained.values())
    assert not any("word_embeddings" in name or ".intermediate." in name for name in trained)


def test_the_soft_prompt_depends_on_image_instruction_and_query() -> None:
    model = shared_model()
    with torch.no_grad():
        prompts = batch_prompt(model, batch_of([toy_example(0), toy_example(1), toy_example(8)]))
    assert prompts.shape == (3, 8, 64)
    for one, other in ((prompts[0], prompts[1]), (prompts[0], prompts[2]), (prompts[:, 0], prompts[:, 1])):
        assert (one - other).abs().mean() > 0.001


@families
def test_an_image_changes_the_loss(family) -> None:
    model = shared_model(family)
    red, blue = (batch_of([asked("Caption:", "red", draw(name, "circle"))], family) for name in ("red", "blue"))
    with torch.no_grad():
        assert (target_losses(model, red) - target_losses(model, blue)).abs().max() > 1e-4


def test_a_missing_placeholder_is_caught() -> None:
    model, batch = shared_model(), batch_of([toy_example(0)])
    with pytest.raises(RuntimeError, match="one placeholder per query token"):
        language_inputs(model, torch.zeros(1, 8, 64), batch.input_ids[:, 1:])


def test_frames_share_images_of_equal_arrays_only() -> None:
    same = decoded(draw("red", "circle"))
    batch = batch_of([toy_example(0), toy_example(0), asked("Caption:", "red", draw("green", "circle"))])
    assert same is toy_example(0).pixels
    assert batch.frame_index.tolist() == [0, 0, 1]
