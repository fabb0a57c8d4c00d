"""Rankings to predictions: empty options, and losses whatever the normalisation."""

from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
from result_cases import case
from toy_model import ToyModel

from ib_data.cards import load_card
from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.protocols.read import protocol_of
from ib_data.evaluation.run.asking import Asker
from ib_data.evaluation.scoring.scored import scored
from ib_data.sample import Answer


def answered(one: Case, model: ToyModel, dataset: str, **changes: str) -> Prediction:
    image: Future[np.ndarray] = Future()
    image.set_result(np.zeros((8, 8, 3), np.uint8))
    protocol = protocol_of(load_card(dataset), method="rank", **changes)
    asker = Asker(model=model, protocol=protocol, decoding=None)
    return asker.predictions([one], {one.key: image})[0]


def with_options(*options: str) -> Case:
    return replace(case("scienceqa", "test", "0", "0", options=options, answer_index=1), candidates=options)


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_option_is_never_chosen_and_not_asked(empty):
    asked = []

    def score(_asked, text):
        asked.append(text)
        return -len(text)

    found = answered(with_options("aaa", empty, "b"), ToyModel(score), "scienceqa")
    assert asked == ["aaa", "b"]
    assert (found.answer, found.choice, found.error) == ("b", 2, "")
    assert [found.scores.get(i, -np.inf) for i in range(3)] == [-3, -np.inf, -1]


def test_options_that_are_all_empty_cannot_be_ranked():
    assert "no candidate" in answered(with_options("", ""), ToyModel(lambda *_given: 0), "scienceqa").error


@pytest.mark.parametrize("normalisation", ["sum", "mean", "bytes"])
def test_the_loss_of_a_token_does_not_depend_on_the_normalisation(normalisation):
    one = case("llava_detail", "train", "0", "0", question="?", answers=(Answer("red bus", 1),))
    found = answered(
        replace(one, candidates=("red bus",)),
        ToyModel(lambda *_given: -3.0),
        "llava_detail",
        normalisation=normalisation,
    )
    protocol = protocol_of(load_card("llava_detail"), method="rank", normalisation=normalisation)
    assert scored(protocol, [one], {one.id: found}).scores.score == 1.5  # two tokens
