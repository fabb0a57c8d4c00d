import dataclasses

import pytest
import torch
from toy_training import decoded, draw, toy_config, toy_example, toy_model, toy_tokens

from ib_data.mixtures.stream.example import Example
from ib_data.training.collator import Batch
from ib_data.training.model import (
    TRAINED,
    frozen_fingerprint,
    image_features,
    language_inputs,
    soft_prompt,
    trained_parameters,
)
from ib_data.training.step import adamw, batch_logits, batch_loss, learning_rate_at
from ib_data.training.trainer import collator_of

TOKENS = toy_tokens()


def batch_of(examples: list[Example]) -> Batch:
    return collator_of(toy_config(), TOKENS)(examples)


def ungrouped(batch: Batch) -> Batch:
    rows = torch.arange(len(batch.image_index))
    return dataclasses.replace(batch, images=batch.images[batch.image_index], image_index=rows)


def test_features_differ_between_pictures() -> None:
    model = toy_model(TOKENS)
    model.eval()
    batch = batch_of([toy_example(0), toy_example(1)])
    features = image_features(model, batch.pixel_values)
    assert (features[0] - features[1]).abs().mean() > 0.01
    prompt = soft_prompt(model, features, batch.qformer_input_ids, batch.qformer_attention_mask)
    assert (prompt[0] - prompt[1]).abs().mean() > 0.001
    assert model.query_tokens.abs().mean() > 0.01
    assert (prompt[:, 0] - prompt[:, 1]).abs().mean() > 0.001


def test_the_soft_prompt_depends_on_the_instruction() -> None:
    model = toy_model(TOKENS)
    model.eval()
    batch = batch_of([toy_example(0), toy_example(8)])
    features = image_features(model, batch.pixel_values)[batch.image_index]
    assert batch.image_index.tolist() == [0, 0]
    prompt = soft_prompt(model, features, batch.qformer_input_ids, batch.qformer_attention_mask)
    assert (prompt[0] - prompt[1]).abs().mean() > 0.001


def test_the_soft_prompt_does_not_depend_on_batch_mates() -> None:
    model = toy_model(TOKENS)
    model.eval()
    long = dataclasses.replace(
        toy_example(3), rendered=dataclasses.replace(toy_example(3).rendered, instruction="a " * 90)
    )
    prompts = []
    for examples in ([toy_example(0)], [toy_example(0), long]):
        batch = batch_of(examples)
        features = image_features(model, batch.pixel_values)[batch.image_index]
        prompts.append(soft_prompt(model, features, batch.qformer_input_ids, batch.qformer_attention_mask)[0])
    torch.testing.assert_close(prompts[0], prompts[1], atol=1e-5, rtol=0)


def test_the_same_seed_gives_the_same_model_and_leaves_torch_alone() -> None:
    before = torch.get_rng_state()
    same = [{name: p.detach() for name, p in toy_model(TOKENS).named_parameters()} for _ in range(2)]
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(same[0][name], same[1][name]) for name in same[0])
    assert frozen_fingerprint(toy_model(TOKENS)) == frozen_fingerprint(toy_model(TOKENS))
    assert frozen_fingerprint(toy_model(TOKENS)) != frozen_fingerprint(toy_model(TOKENS, seed=1))


def test_frozen_parts_stay_in_evaluation_mode() -> None:
    model = toy_model(TOKENS)
    model.train()
    assert model.qformer.training
    for part in (model.vision_model, model.language_model):
        assert not any(module.training for module in part.modules())


def test_only_qformer_queries_and_projection_train() -> None:
    names = set(trained_parameters(toy_model(TOKENS)))
    assert {name.split(".")[0] for name in names} == {"qformer", "language_projection", "query_tokens"}
    assert all(p.requires_grad == name.startswith(TRAINED) for name, p in toy_model(TOKENS).named_parameters())


def test_steps_change_everything_that_trains_and_nothing_else() -> None:
    model = toy_model(TOKENS)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.train()
    optimizer = adamw(trained_parameters(model), toy_config())
    for step in range(3):
        optimizer.zero_grad()
        batch_loss(model, batch_of([toy_example(24 * step + p) for p in range(24)])).backward()
        optimizer.step()
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    last = model.config.qformer_config.num_hidden_layers - 1
    # The text feed-forward of the last layer feeds nothing: no gradient, and its norms and biases do not decay.
    idle = {
        n
        for n in before
        if n.startswith((f"qformer.encoder.layer.{last}.intermediate.", f"qformer.encoder.layer.{last}.output."))
    }
    assert changed - idle == set(trained_parameters(model)) - idle
    assert {name for name in idle & changed if before[name].dim() == 1} == set()


def test_loss_equals_the_stock_forward_and_the_ungrouped_one() -> None:
    model = toy_model(TOKENS)
    model.eval()
    batch = batch_of([toy_example(p) for p in (0, 8, 16, 1, 9, 17, 24)])
    assert len(batch.images) == 2
    loss = batch_loss(model, batch)
    assert abs(loss - batch_loss(model, ungrouped(batch))) < 1e-6
    single = ungrouped(batch)
    stock = model(
        pixel_values=single.pixel_values,
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        qformer_input_ids=batch.qformer_input_ids,
        qformer_attention_mask=batch.qformer_attention_mask,
        labels=batch.labels,
    )
    assert abs(loss - stock.loss) < 1e-6
    torch.testing.assert_close(batch_logits(model, batch), stock.logits, atol=1e-5, rtol=1e-5)


def test_grouping_gives_the_same_gradients() -> None:
    batch = batch_of([toy_example(p) for p in (0, 8, 16, 1)])
    gradients = []
    for each in (batch, ungrouped(batch)):
        model = toy_model(TOKENS)
        model.eval()
        batch_loss(model, each).backward()
        gradients.append({name: p.grad for name, p in trained_parameters(model).items()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-6, rtol=1e-4)


def test_a_missing_placeholder_is_caught() -> None:
    model = toy_model(TOKENS)
    batch = batch_of([toy_example(0)])
    prompt = torch.zeros(1, 8, 128)
    with pytest.raises(AssertionError, match="one placeholder per query token"):
        language_inputs(model, prompt, batch.input_ids[:, 1:])


def test_biases_and_norms_are_not_decayed() -> None:
    decayed, others = adamw(trained_parameters(toy_model(TOKENS)), toy_config()).param_groups
    assert decayed["weight_decay"] == 0.05
    assert others["weight_decay"] == 0
    assert all(p.dim() > 1 for p in decayed["params"])
    assert all(p.dim() == 1 for p in others["params"])


def test_learning_rate_rises_linearly_and_falls_as_a_cosine() -> None:
    config = toy_config(steps=110, warmup_steps=10, learning_rate=1e-3)
    rates = [learning_rate_at(step, config) for step in range(111)]
    assert rates[0] == 1e-8
    assert rates[5] == pytest.approx((1e-8 + 1e-3) / 2)
    assert rates[10] == max(rates) == 1e-3
    assert rates[60] == pytest.approx(5e-4)
    assert rates[110] == pytest.approx(0)
    assert learning_rate_at(0, toy_config(warmup_steps=0)) == 2e-3


def test_a_picture_changes_the_loss() -> None:
    model = toy_model(TOKENS)
    model.eval()
    red, blue = (
        batch_of([dataclasses.replace(toy_example(0), pixels=decoded(draw(c, "circle")))]) for c in ("red", "blue")
    )
    assert abs(batch_loss(model, red) - batch_loss(model, blue)) > 1e-4
