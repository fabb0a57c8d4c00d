"""Slots: facts as sums of word vectors."""

import pytest
import torch

from ib_data.training.backbones.slots import (
    MAX_WORDS,
    NOTHING,
    NUM_QUERIES,
    noisy_slots,
    padded,
    slot_vectors,
    word_ids,
)
from ib_data.training.text.word_tokenizers import language_tokenizer

TOKENIZER = language_tokenizer(["top left large red star", "nothing"], is_causal=True).backend_tokenizer
TABLE = torch.randn((TOKENIZER.get_vocab_size(), 8), generator=torch.Generator().manual_seed(0))


def test_a_slot_is_the_sum_of_its_words_in_any_order() -> None:
    words = word_ids(TOKENIZER, ["large red star", "star large red", "red"])
    assert words.shape == (3, MAX_WORDS)
    slots = slot_vectors(TABLE, words)
    expected = TABLE[[TOKENIZER.token_to_id(f"\u0120{word}") for word in ("large", "red", "star")]].sum(0)
    torch.testing.assert_close(slots[0], expected)
    torch.testing.assert_close(slots[1], slots[0])
    torch.testing.assert_close(slot_vectors(TABLE, words.view(1, 3, -1))[0], slots)


def test_missing_facts_are_nothing() -> None:
    assert padded(["red star"]) == ["red star"] + [NOTHING] * (NUM_QUERIES - 1)
    assert padded(["red"] * 6) == ["red"] * NUM_QUERIES


@pytest.mark.parametrize("fact", ["purple star", " ".join(["red"] * (MAX_WORDS + 1))])
def test_a_fact_that_cannot_be_a_slot(fact: str) -> None:
    with pytest.raises(ValueError, match="known words"):
        word_ids(TOKENIZER, [fact])


def test_noise_is_that_of_the_generator_and_small() -> None:
    words = word_ids(TOKENIZER, ["large red star", NOTHING])
    first, again = (noisy_slots(TABLE, words, torch.Generator().manual_seed(3), 0.1) for _ in range(2))
    assert torch.equal(first, again)
    plain = slot_vectors(TABLE, words)
    assert 0 < (first - plain).std() < 0.5 * plain.std()


def test_slots_teach_the_embedding_table() -> None:
    table = TABLE.clone().requires_grad_()
    slot_vectors(table, word_ids(TOKENIZER, ["red star"])).sum().backward()
    touched = table.grad.abs().sum(1).nonzero().flatten().tolist()
    assert touched == sorted(TOKENIZER.token_to_id(f"\u0120{word}") for word in ("red", "star"))
