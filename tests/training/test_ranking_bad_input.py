"""Lists of candidates that cannot be ranked, questions that cannot be asked, and very long lists."""

import numpy as np
import pytest
from toy_answers import FAMILIES, toy_answerer
from toy_rankers import ranker
from toy_training import draw

from ib_data.errors import IbDataError
from ib_data.evaluation.answering import Asked, Generated
from ib_data.evaluation.decoding import Decoding

RED = Asked("Caption:", [draw("red", "circle")])


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], "no candidates; give at least one"),
        (["red", ""], "candidate 1 is empty; leave it out"),
        (["red", "a", " \n"], "candidate 2 is empty"),
        (["\ud800"], "candidate 0 is not text .surrogates not allowed at character 0"),
        (["red", None], "candidate 1: expected a text, found None"),
        ([["red"]], "candidate 0: expected a text"),
        ("red", "expected a list of candidates, found the text 'red'"),
    ],
)
def test_a_list_that_cannot_be_ranked(texts, said: str) -> None:
    with pytest.raises(IbDataError, match=said):
        ranker().rank([RED, RED], [["red"], texts])


def test_a_candidate_without_tokens(monkeypatch) -> None:
    made = ranker()
    language = made.answerer.loaded.tokenizers.language
    before = language.ids
    monkeypatch.setattr(language, "ids", lambda text: [] if text == "\u200b" else before(text))
    with pytest.raises(IbDataError, match=r"candidate 1 .* has no tokens; leave it out"):
        made.rank([RED], [["red", "\u200b"]])


def test_a_list_for_each_question() -> None:
    with pytest.raises(IbDataError, match="2 questions with 1 lists of candidates; give one each"):
        ranker().rank([RED, RED], [["red"]])
    assert ranker().rank([], []) == []


def test_an_unknown_method() -> None:
    with pytest.raises(IbDataError, match="unknown method 'prefx'; did you mean 'prefix'"):
        ranker().rank([RED], [["red"]], method="prefx")


def test_a_question_without_an_image() -> None:
    with pytest.raises(IbDataError, match="no image"):
        ranker().rank([Asked("Caption:", [])], [["red"]])


def test_what_does_not_fit_the_positions() -> None:
    with pytest.raises(IbDataError, match=r"the prompt has 1\d tokens .* the longest candidate has 5,000, .* leave"):
        ranker().rank([RED], [["red", "white " * 4999 + "a"]])
    assert toy_answerer().loaded.config.text_config.max_position_embeddings < 5000


@pytest.mark.parametrize("family", FAMILIES)
def test_a_generated_answer_has_its_counts(family: str) -> None:
    made = toy_answerer(family)
    decoding = Decoding(max_new_tokens=6, min_new_tokens=6)
    (cut,) = made.generated([RED], decoding)
    assert (cut.num_tokens, cut.is_truncated) == (6, True)
    assert cut.text == made.generate([RED], decoding)[0]
    tokenizers = made.loaded.tokenizers
    ids = [*tokenizers.language.ids("a red"), tokenizers.eos_id, tokenizers.pad_id]
    started = ids if made.loaded.is_causal else [made.loaded.decoder_start_id, *ids]
    assert made._generated(started) == Generated("a red", 2, False)


def test_ten_thousand_candidates() -> None:
    words = ["red", "green", "blue", "a", "white", "on", "circle", "square", "yellow", "Caption:"]
    texts = [" ".join(words[int(digit)] for digit in f"{number:04}") for number in range(10_000)]
    (found,) = ranker().rank([RED], [texts])
    assert found.sums.shape == (10_000,)
    assert np.isfinite(found.sums).all()
    (few,) = ranker().rank([RED], [texts[::2500]], method="naive")
    np.testing.assert_allclose(found.sums[::2500], few.sums, rtol=0, atol=2e-5)
