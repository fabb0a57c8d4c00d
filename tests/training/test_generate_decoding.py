"""Decoding: presets, settings that do not fit together, sampling, words as they come."""

from collections import Counter

import pytest
import torch
from toy_answers import FAMILIES, eight_questions, toy_answerer

from ib_data.errors import IbDataError
from ib_data.evaluation.decoding import Decoding, preset
from ib_data.training.generation.processors import RepetitionPenalty, Sampling
from ib_data.training.generation.words import Words


@pytest.mark.parametrize(
    ("name", "is_causal", "values"),
    # Beams, longest, shortest, length penalty, repetition penalty: model.generate as LAVIS calls it. Its `min_length`
    # counts the start token of an encoder-decoder model's decoder, so the shortest answer has one token less.
    [
        ("vqa", True, (5, 10, 1, 0.0, 1.5)),
        ("vqa", False, (5, 10, 0, -1.0, 1.5)),
        ("caption", True, (5, 80, 10, 1.0, 1.15)),
        ("caption", False, (5, 80, 9, 1.0, 1.15)),
        ("greedy", True, (1, 256, 0, 1.0, 1.0)),
    ],
)
def test_presets_are_those_of_the_released_code(name: str, is_causal: bool, values: tuple[float, ...]) -> None:
    found = preset(name, is_causal=is_causal)
    assert (
        found.num_beams, found.max_new_tokens, found.min_new_tokens, found.length_penalty, found.repetition_penalty
    ) == values  # fmt: skip
    assert found.temperature == 0


def test_single_settings_change_a_preset() -> None:
    changed = preset("vqa", is_causal=False, num_beams=1, length_penalty=2.0)
    assert (changed.num_beams, changed.length_penalty, changed.repetition_penalty) == (1, 2.0, 1.5)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"num_beams": 0}, "num_beams: expected an integer from 1 to 64"),
        ({"num_beams": 2.0}, "num_beams: expected an integer"),
        ({"min_new_tokens": 9, "max_new_tokens": 8}, "min_new_tokens is 9, max_new_tokens 8"),
        ({"temperature": 1.0, "num_beams": 5}, "set num_beams to 1 to sample"),
        ({"top_p": 0.9}, "nothing is sampled; set temperature"),
        ({"temperature": float("nan")}, "temperature: expected a number"),
        ({"repetition_penalty": 0.0}, "repetition_penalty: expected a number"),
    ],
)
def test_settings_that_cannot_be_are_errors(values: dict, said: str) -> None:
    with pytest.raises(IbDataError, match=said):
        Decoding(**values)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(IbDataError, match="did you mean 'caption'"):
        preset("captions", is_causal=True)


def test_the_penalty_counts_the_ids_of_the_answer() -> None:
    scores = torch.tensor([[2.0, -1.0, 4.0, -3.0]] * 2)
    ids = torch.tensor([[0, 2, 2], [1, 3, 1]])
    assert RepetitionPenalty(2.0, 0)(ids, scores).tolist() == [[1.0, -1.0, 2.0, -3.0], [2.0, -2.0, 4.0, -6.0]]
    assert RepetitionPenalty(2.0, 1)(ids, scores).tolist() == [[2.0, -1.0, 2.0, -3.0], [2.0, -2.0, 4.0, -6.0]]
    assert RepetitionPenalty(2.0, 0)(ids[:, :0], scores).tolist() == scores.tolist()


def drawn(temperature: float, top_p: float = 1.0, count: int = 4000) -> Counter[int]:
    """How often each of four tokens with probabilities 0.1, 0.2, 0.3, 0.4 is drawn."""
    scores = torch.tensor([0.1, 0.2, 0.3, 0.4]).log().expand(count, -1)
    found = Sampling(temperature, top_p, range(count))(torch.zeros(count, 0, dtype=torch.int64), scores)
    return Counter(found.argmax(dim=1).tolist())


def test_samples_follow_the_probabilities() -> None:
    counts = drawn(1.0)
    assert all(abs(counts[i] / 4000 - p) < 0.03 for i, p in enumerate((0.1, 0.2, 0.3, 0.4)))
    assert set(drawn(1.0, top_p=0.6)) == {2, 3}
    assert set(drawn(0.01)) == {3}
    assert drawn(100.0)[0] > 800


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sampled_answer_depends_on_its_seed_and_question(family: str) -> None:
    answerer, asked = toy_answerer(family), eight_questions()

    def said(**changes: float) -> list[str]:
        return answerer.generate(asked, Decoding(**{"max_new_tokens": 8, "temperature": 2.0, **changes}))

    first = said()
    torch.manual_seed(7)
    assert said() == first
    assert said(seed=1) != first
    greedy = answerer.generate(asked, Decoding(max_new_tokens=8))
    assert said(top_p=0.001) == greedy != first


@pytest.mark.parametrize("family", FAMILIES)
def test_words_come_one_by_one_and_are_the_whole_answer(family: str) -> None:
    answerer, decoding = toy_answerer(family), Decoding(max_new_tokens=6, min_new_tokens=6)
    asked = eight_questions()[0]
    pieces: list[str] = []
    answerer.stream(asked, decoding, pieces.append)
    assert "".join(pieces) == answerer.generate([asked], decoding)[0]
    assert len(pieces) > 2


def test_beams_cannot_be_streamed() -> None:
    with pytest.raises(IbDataError, match=r"num_beams is 5: .* set num_beams to 1 to stream"):
        toy_answerer().stream(eight_questions()[0], Decoding(num_beams=5), print)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("red circle", ["red ", "circle"]),
        ("two\nlines", ["two\n", "lines"]),
        ("caf\u00e9 noir", ["caf\u00e9 ", "noir"]),
        ("\u732b\u3068", ["\u732b", "\u3068"]),
        ("", []),
    ],
)
def test_a_piece_is_said_once_it_cannot_change(text: str, pieces: list[str]) -> None:
    said: list[str] = []
    words = Words(lambda ids: bytes(ids).decode("utf-8", "replace").strip(), said.append)
    words.put(torch.zeros(1, 1, dtype=torch.int64))  # what a decoder begins with
    for byte in text.encode():
        words.put(torch.tensor([byte]))
    words.end()
    assert said == pieces
