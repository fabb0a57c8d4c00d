"""CIDEr-D, BLEU and ROUGE-L: the official scorer's numbers, values computed by hand, and what must hold always."""

import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ib_data.errors import IbDataError
from ib_data.evaluation.metrics.captions.bleu import bleu
from ib_data.evaluation.metrics.captions.cider import cider
from ib_data.evaluation.metrics.captions.rouge_l import rouge_l

CAPTION = st.lists(st.sampled_from("abcdef"), max_size=9).map(" ".join)
IMAGES = st.lists(st.tuples(CAPTION, st.lists(CAPTION, min_size=1, max_size=4)), min_size=1, max_size=6)
METRICS = [cider, bleu, rouge_l]


def counts_of(text: str, n: int) -> Counter:
    words = text.split()
    return Counter(tuple(words[at : at + n]) for at in range(len(words) - n + 1))


def direct_cider(predictions, references):
    """CIDEr-D straight from its formula."""
    values = []
    for prediction, texts in zip(predictions, references, strict=True):
        total = 0.0
        for text in texts:
            gap = sum(counts_of(prediction, 2).values()) - sum(counts_of(text, 2).values())
            for n in range(1, 5):

                def weights(caption, n=n):
                    found = {}
                    for gram, count in counts_of(caption, n).items():
                        images = sum(any(gram in counts_of(other, n) for other in others) for others in references)
                        found[gram] = count * (math.log(len(references)) - math.log(max(1, images)))
                    return found

                own, theirs = weights(prediction), weights(text)
                norms = [math.sqrt(sum(w * w for w in side.values())) for side in (own, theirs)]
                dot = sum(min(weight, theirs.get(gram, 0)) * theirs.get(gram, 0) for gram, weight in own.items())
                total += (dot / (norms[0] * norms[1]) if all(norms) else 0.0) * math.exp(-(gap**2) / 72) / 4
        values.append(10 * total / len(texts))
    return values


@pytest.fixture(scope="module")
def coco(real):
    references = json.loads((real / "metrics" / "coco_refs_1000.json").read_text())
    results = json.loads((real / "coco_caption/results/captions_val2014_fakecap_results.json").read_text())
    captions = {str(row["image_id"]): row["caption"] for row in results}
    return [captions[key] for key in references], list(references.values())


@pytest.fixture(scope="module")
def tokenised_coco(real):
    found = json.loads((real / "metrics" / "coco_tokenised_1000.json").read_text())
    return [text for (text,) in found["hypotheses"].values()], [found["references"][key] for key in found["hypotheses"]]


@pytest.mark.real
def test_cider_of_coco(coco, tokenised_coco):
    assert cider(*tokenised_coco, tokenised=True).score == pytest.approx(0.5997905185184199, rel=1e-15)
    assert cider(*coco).score == pytest.approx(0.5997905185184199, abs=2e-4)


@pytest.mark.real
def test_fewer_images_give_another_cider(tokenised_coco):
    predictions, references = tokenised_coco
    assert cider(predictions[:100], references[:100], tokenised=True).score == pytest.approx(0.6486, abs=5e-5)
    own = [texts[0] for texts in references]
    assert cider(own, references, tokenised=True).score == pytest.approx(2.7496, abs=5e-5)


@pytest.mark.real
def test_bleu_of_coco(tokenised_coco):
    scores = bleu(*tokenised_coco, tokenised=True)
    expected = [0.5793995755, 0.4043912974, 0.2785363857, 0.1908290438]
    assert [scores.also[f"bleu-{n}"] for n in range(1, 5)] == pytest.approx(expected, abs=1e-10)
    assert scores.score == scores.also["bleu-4"]
    assert (scores.also["testlen"], scores.also["reflen"]) == (9893, 9855)
    assert [scores.also[f"correct-{n}"] for n in range(1, 5)] == [5732, 2510, 1043, 423]
    assert scores.resampled is not None
    assert scores.resampled(np.arange(1000)) == scores.score


@pytest.mark.real
def test_rouge_l_of_coco(tokenised_coco):
    assert rouge_l(*tokenised_coco, tokenised=True).score == pytest.approx(0.3962526936, abs=1e-10)


@settings(max_examples=60, deadline=None)
@given(IMAGES)
def test_cider_is_its_formula(images):
    predictions, references = zip(*images, strict=True)
    found = cider(predictions, references, tokenised=True).values
    assert found == pytest.approx(direct_cider(predictions, references), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(IMAGES, st.randoms())
def test_order_of_images_and_references_does_not_matter(images, random):
    order = list(range(len(images)))
    random.shuffle(order)
    moved = [(images[at][0], random.sample(images[at][1], len(images[at][1]))) for at in order]
    for metric in METRICS:
        first, second = (metric(*zip(*rows, strict=True), tokenised=True) for rows in (images, moved))
        assert second.score == pytest.approx(first.score, abs=1e-12)
        assert second.values == pytest.approx(first.values[order], abs=1e-12)


def test_a_caption_equal_to_its_only_reference():
    predictions = ["a red dog runs home", "two blue cats sleep here"]
    references = [[text] for text in predictions]
    assert cider(predictions, references).values == pytest.approx([10, 10], abs=1e-12)
    assert bleu(predictions, references).score == pytest.approx(1, abs=1e-8)
    assert rouge_l(predictions, references).score == 1


def test_cider_by_hand():
    # Every word and word pair is in one image of two: all weights are log 2. Of the prediction's two words one matches.
    scores = cider(["a x", "c d"], [["a b"], ["c d"]], tokenised=True)
    assert scores.values == pytest.approx([10 * 0.5 / 4, 10 * 2 / 4], abs=1e-12)
    assert scores.score == pytest.approx(3.125, abs=1e-12)
    assert scores.also == {"images": 2}


def test_bleu_by_hand():
    # 4 of 5 words, 2 of 4 pairs; the reference is one word longer.
    scores = bleu(["a b x c d"], [["a b c d e f", "a b c d e f g h"]], tokenised=True)
    assert scores.also["correct-1"], scores.also["correct-2"] == (4, 2)
    assert (scores.also["testlen"], scores.also["reflen"]) == (5, 6)
    assert scores.also["bleu-2"] == pytest.approx(math.sqrt(4 / 5 * 2 / 4) * math.exp(1 - 6 / 5), rel=1e-6)


def test_bleu_counts_a_repeated_word_as_often_as_one_reference_has_it():
    scores = bleu(["the the the"], [["the cat", "the the"]], tokenised=True)
    assert scores.also["correct-1"] == 2
    assert scores.also["reflen"] == 2  # both are one word away: the shorter one


def test_bleu_of_drawn_images_counts_them_together():
    predictions, references = ["a b c d e", "a b x d e f"], [["a b c d f"], ["a b c d e f"]]
    scores = bleu(predictions, references, tokenised=True)
    twice = bleu([predictions[1]] * 2, [references[1]] * 2, tokenised=True)
    assert scores.resampled is not None
    assert scores.resampled(np.array([1, 1])) == twice.score


def test_rouge_l_by_hand():
    # "a c d" is common: precision 3/4, recall 3/5.
    expected = (1 + 1.44) * 0.75 * 0.6 / (0.6 + 1.44 * 0.75)
    assert rouge_l(["a x c d"], [["a b c d e"]], tokenised=True).score == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(CAPTION.filter(bool), CAPTION.filter(bool))
def test_rouge_l_finds_the_longest_common_subsequence(one, other):
    a, b = one.split(), other.split()
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if left == right else max(table[i][j + 1], table[i + 1][j])
    precision, recall = table[-1][-1] / len(a), table[-1][-1] / len(b)
    expected = (1 + 1.44) * precision * recall / (recall + 1.44 * precision) if precision else 0
    assert rouge_l([one], [[other]], tokenised=True).score == pytest.approx(expected, abs=1e-12)


def test_one_image_alone_has_cider_zero():
    assert cider(["a dog"], [["a dog", "the dog"]]).score == 0


def test_an_empty_prediction_scores_zero():
    predictions, references = ["", "a cat sits"], [["a dog runs"], ["a cat sits"]]
    assert cider(predictions, references).values[0] == 0
    assert rouge_l(predictions, references).values[0] == 0
    scores = bleu(predictions, references)
    assert scores.values[0] == pytest.approx(0, abs=1e-12)
    assert (scores.also["testlen"], scores.also["reflen"]) == (3, 6)


@pytest.mark.parametrize("metric", METRICS)
class TestEveryMetric:
    def test_no_image_is_not_a_number(self, metric):
        scores = metric([], [])
        assert math.isnan(scores.score)
        assert len(scores.values) == 0

    def test_tokenises_unless_told_not_to(self, metric):
        predictions, references = ["A dog's bowl, here.", "Two cats sit."], [["a dog 's bowl here"], ["two cats sit"]]
        scores = metric(predictions, references)
        assert scores.score == metric([texts[0] for texts in references], references, tokenised=True).score
        assert scores.score > metric(predictions, references, tokenised=True).score
        assert scores.forms[0] == ("a dog 's bowl here", ("a dog 's bowl here",))

    def test_an_image_without_references_is_named(self, metric):
        with pytest.raises(IbDataError, match=r"image 1 .*empty list"):
            metric(["a", "b"], [["a"], []])

    def test_a_string_in_place_of_a_list_is_named(self, metric):
        with pytest.raises(IbDataError, match=r"image 0 .*string"):
            metric(["a dog"], ["a dog"])

    def test_lengths_differ(self, metric):
        with pytest.raises(IbDataError, match=r"2 predictions.* 1 image"):
            metric(["a", "b"], [["a"]])
