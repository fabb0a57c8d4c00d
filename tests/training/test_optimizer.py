import pytest
from toy_batches import shared_model
from toy_training import toy_config

from ib_data.training.loop.optimizer import adamw, learning_rate_at
from ib_data.training.model.parts import trained_parameters


def test_biases_and_norms_are_not_decayed() -> None:
    trained = trained_parameters(shared_model())
    decayed, others = adamw(trained, toy_config()).param_groups
    assert decayed["weight_decay"] == 0.05
    assert others["weight_decay"] == 0
    assert all(p.dim() > 1 for p in decayed["params"])
    assert all(p.dim() == 1 for p in others["params"])
    assert len(decayed["params"]) + len(others["params"]) == len(trained)


def test_learning_rate_rises_linearly_and_falls_as_a_cosine() -> None:
    config = toy_config(steps=110, warmup_steps=10, learning_rate=1e-3)
    rates = [learning_rate_at(step, config) for step in range(111)]
    assert rates[0] == 1e-8
    assert rates[5] == pytest.approx((1e-8 + 1e-3) / 2)
    assert rates[10] == max(rates) == 1e-3
    assert rates[60] == pytest.approx(5e-4)
    assert rates[110] == pytest.approx(0)
    assert learning_rate_at(0, toy_config(warmup_steps=0)) == 2e-3
