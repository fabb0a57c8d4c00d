"""Rankings: every method against brute force, lists of all kinds, independence of the batch, memory limits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_answers import FAMILIES, eight_questions, noise, toy_answerer
from toy_batches import shared_model
from toy_models import ALL_FAMILIES
from toy_rankers import LIST, SHARING, brute_force, double_answerer, ranker, require_agreement
from toy_texts import TEXTS
from toy_training import draw, toy_collator, toy_example

from ib_data.evaluation.answering import Asked
from ib_data.training.model.forward import target_losses
from ib_data.training.ranking.ranker import METHODS, Ranker

families = pytest.mark.parametrize("family", FAMILIES)
RED = Asked("Caption:", [draw("red", "circle")])
WORDS = sorted({word for text in TEXTS for word in text.split()})


def sums_of(method: str, family: str, asked, candidates, **options) -> np.ndarray:
    found = ranker(family, **options).rank(asked, candidates, method=method)
    return np.array([ranking.sums for ranking in found])


@families
def test_every_method_is_brute_force(family: str) -> None:
    asked = [eight_questions()[place] for place in (0, 2, 5)]  # an image, two, a clip
    expected = np.array([brute_force(double_answerer(family), one, LIST) for one in asked])
    for method in METHODS:
        require_agreement(method, sums_of(method, family, asked, [LIST] * 3, is_double=True), expected, 1e-9)
        require_agreement(method, sums_of(method, family, asked, [LIST] * 3), expected, 1e-5)


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_every_family_gives_the_sums_of_naive(family: str) -> None:
    asked = eight_questions()[3:7]
    expected = sums_of("naive", family, asked, [LIST] * len(asked), is_double=True)
    # The attention of Gemma 2, which caps scores, has a float32 softmax whatever the model is.
    limit = 1e-5 if family == "gemma2" else 1e-9
    for method in SHARING:
        assert ranker(family)._method(method, 99, ranker(family)._candidates(LIST), False) == method
        found = sums_of(method, family, asked, [LIST] * len(asked), is_double=True)
        require_agreement(method, found, expected, limit)


@families
def test_a_sum_is_the_loss_of_the_candidate_as_a_target(family: str) -> None:
    examples = [toy_example(place) for place in (0, 1, 2, 9)]
    batch = toy_collator(family).batch(examples)
    with torch.no_grad():
        losses = target_losses(shared_model(family), batch)
    for row, example in enumerate(examples):
        asked = Asked(example.rendered.instruction, [example.pixels])
        (found,) = ranker(family).rank([asked], [[example.rendered.target]])
        assert found.sums[0] == pytest.approx(-float(losses[batch.target_rows == row].sum()), abs=1e-4)
        assert found.num_tokens[0] == (batch.target_rows == row).sum()


@families
def test_a_ranking_counts_tokens_and_bytes(family: str) -> None:
    (found,) = ranker(family).rank([RED], [["red", "a red circle", "\u732b"]])
    assert found.sums.dtype == np.float64
    assert found.num_tokens.tolist() == [2, 4, 2]
    assert found.num_bytes.tolist() == [3, 12, 3]


@pytest.mark.parametrize("method", METHODS)
@families
def test_equal_candidates_have_equal_sums_and_the_first_wins(family: str, method: str) -> None:
    texts = ["a red", "white", "a red", "white", "white square"]
    (found,) = ranker(family).rank([RED], [texts], method=method)
    assert found.sums[0] == found.sums[2]
    assert found.sums[1] == found.sums[3]
    assert found.sums.argmax() == ranker(family).rank([RED], [texts], method="naive")[0].sums.argmax() < 2


@pytest.mark.parametrize("method", METHODS)
@families
def test_a_ranking_does_not_depend_on_what_else_is_asked(family: str, method: str) -> None:
    asked, texts = eight_questions()[2:7], [LIST, ["red"], LIST, ["red", "a red"], LIST]
    together = ranker(family).rank(asked, texts, method=method)
    for one, own, found in zip(asked, texts, together, strict=True):
        (alone,) = ranker(family).rank([one], [own], method=method)
        np.testing.assert_allclose(found.sums, alone.sums, rtol=0, atol=2e-5)


@pytest.mark.parametrize("method", METHODS)
@families
def test_a_qformer_that_reads_no_text(family: str, method: str) -> None:
    blind = replace(double_answerer(family), instruction_aware=False)
    asked = eight_questions()[1]
    (found,) = Ranker(blind).rank([asked], [LIST], method=method)
    require_agreement(method, found.sums[None], brute_force(blind, asked, LIST)[None], 1e-9)
    assert np.abs(found.sums - brute_force(double_answerer(family), asked, LIST)).max() > 1e-6


words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
texts = st.lists(words | st.text(min_size=1, max_size=6).filter(str.strip), min_size=1, max_size=12)


@families
@settings(max_examples=8, deadline=None)
@given(own=texts)
def test_any_list(family: str, own: list[str]) -> None:
    expected = sums_of("naive", family, [RED], [own], is_double=True)
    for method in SHARING:
        require_agreement(method, sums_of(method, family, [RED], [own], is_double=True), expected, 1e-9)


@families
def test_an_image_is_encoded_once_also_for_the_next_questions(family: str, monkeypatch) -> None:
    made, counts = Ranker(toy_answerer(family)), []
    vision = made.answerer.model.vision_model
    before = vision.forward
    monkeypatch.setattr(
        vision, "forward", lambda **given: (counts.append(len(given["pixel_values"])), before(**given))[1]
    )
    clip = noise(4, 32, 32, 3)
    made.rank([RED, Asked("white", [clip]), Asked("a", [clip, *RED.media])], [["red"]] * 3)
    made.rank([Asked("red", [clip[2]]), Asked("a", [noise(32, 32, 3, seed=1)])], [["red"]] * 2)
    assert sum(counts) == 1 + 4 + 1


def test_bfloat16_ranks() -> None:
    for family in FAMILIES:
        made = Ranker(toy_answerer(family, "bfloat16"))
        found = {method: made.rank([RED], [LIST], method=method)[0].sums for method in METHODS}
        for method in ("prefix", "tree"):
            np.testing.assert_allclose(found[method], found["naive"], rtol=0.03)
        assert found["best_first"].max() == pytest.approx(found["naive"].max(), rel=0.03)
