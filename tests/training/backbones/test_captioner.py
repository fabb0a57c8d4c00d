"""The captioner on made-up features: facts of captions, texts that name shapes, the map to a language model."""

import numpy as np
import pytest
import torch

from ib_data.builders.miniature.ocrvqa import Book
from ib_data.builders.miniature.world.scene import ALL_COLOURS, KINDS, SIZES, scene_of
from ib_data.builders.miniature.world.signs import Sign
from ib_data.training.backbones import captioner, namings, pictures, projections
from ib_data.training.backbones.captioner import Captioner, even_out, hidden_states, set_start_values, teach_words
from ib_data.training.backbones.namings import GROUPS, Row, Texts, Told, classes, told
from ib_data.training.backbones.slots import NOTHING, slot_vectors, word_ids
from ib_data.training.backbones.word_head import WordHead, wanted_words
from ib_data.training.text.word_tokenizers import language_tokenizer, qformer_tokenizer

_SHOWN = [scene_of(3, i) for i in range(40)]
_PLACES = ("top", "middle", "bottom", "left", "center", "right")


@pytest.fixture(scope="module")
def tokenizer():
    words = [*KINDS, *ALL_COLOURS, *namings._PLAIN_WORDS, *namings.WORDS, "question", "where", "left", "what", "color"]
    return qformer_tokenizer(words)


@pytest.fixture(scope="module")
def texts(tokenizer):
    return Texts(tokenizer.backend_tokenizer)


def _features(images: list[Told]) -> torch.Tensor:
    """A token a shape, (N, 7, 96): the sum of fixed vectors of its kind, its colour and its place in captions."""
    draw = torch.Generator().manual_seed(5)
    table = {word: torch.randn(96, generator=draw) for word in (*KINDS, *ALL_COLOURS, *map(str, range(7)))}
    found = torch.zeros(len(images), 7, 96)
    for i, one in enumerate(images):
        for j, shape in enumerate(one.shapes):
            found[i, j] = sum(table[word] for word in (*shape, str(j)))
        found[i, 6] = table["6"] + table[next(word for word in one.facts[0].split() if word in ALL_COLOURS)]
    return found


def test_facts_of_captions_have_no_sizes_places_or_counts():
    words = {word for scene in _SHOWN for fact in told(scene).facts for word in fact.split()}
    assert not words & {*SIZES, *_PLACES, "count", "shapes"}
    assert not any(word.isdigit() for word in words)
    assert all(len(told(scene).facts) == 4 for scene in _SHOWN)


def test_signs_say_their_boards_and_covers_nothing():
    shown = [pictures.shown(number) for number in range(20)]
    sign = next(one for one in shown if isinstance(one, Sign))
    assert told(sign).facts[0] == f"{sign.upper} board {sign.word}"
    assert told(sign).facts[3] == NOTHING
    assert all(told(one) is None for one in shown if isinstance(one, Book))


def test_classes_give_back_the_words():
    for fact in ("striped beige background", "red star", "blue board 42", NOTHING):
        words = {group[number] for group, number in zip(GROUPS, classes(fact), strict=True)} - {""}
        assert words == set(fact.split())
    with pytest.raises(ValueError, match="large"):
        classes("large red star")


def test_a_text_puts_the_shapes_that_it_names_first(texts):
    one = Told(("plain white background", "red star", "blue cross", "red circle"), (
        ("red", "star"), ("blue", "cross"), ("red", "circle"), ("pink", "diamond"),
    ))  # fmt: skip
    rng = np.random.default_rng(0)
    assert texts.naming(one, ["diamond"], rng).facts == ("pink diamond", "red star", "blue cross", "red circle")
    assert texts.naming(one, ["cross", "red"], rng).facts[:2] == ("blue cross", "red star")
    assert texts.naming(one, ["square"], rng).facts[0] == NOTHING
    assert texts.plain(one, ()) == Row((), one.facts)


def test_rows_follow_from_their_generator(texts):
    images = [told(scene) for scene in _SHOWN]
    rows = texts.rows(images, np.random.default_rng(1))
    assert rows == texts.rows(images, np.random.default_rng(1))
    assert any(
        row.facts[0] in {" ".join(shape) for shape in one.shapes[3:]} for row, one in zip(rows, images, strict=True)
    )


def test_it_learns_the_facts_and_words_that_captions_never_say_stay_as_they_were(texts, tokenizer, monkeypatch):
    monkeypatch.setattr(captioner, "_BATCH", 16)
    images = [told(scene_of(3, i)) for i in range(64)]
    features = _features(images)
    made = []
    for _ in range(2):
        model, head = Captioner(len(tokenizer), tokenizer.pad_token_id), WordHead(captioner.WIDTH)
        set_start_values(model, texts.said.tolist())
        even_out(model, features)
        before = model.qformer.embeddings.word_embeddings.weight.clone()
        losses = teach_words(model, head, features, images, texts, 12)
        made.append(model.state_dict())
        changed = (model.qformer.embeddings.word_embeddings.weight != before).any(1).nonzero().flatten().tolist()
    assert losses[-1] < 0.9 * losses[0]
    assert changed
    assert set(changed) <= set(texts.said.tolist())
    assert all(torch.equal(value, made[1][name]) for name, value in made[0].items())
    rows = [texts.plain(one, ()) for one in images]
    assert hidden_states(model, features, rows).shape == (64, 4, captioner.WIDTH)
    assert wanted_words(rows).shape == (64, 4, len(GROUPS))


def test_least_squares_finds_the_map_that_the_states_come_from(tmp_path):
    facts = [fact for scene in _SHOWN for fact in told(scene).facts]
    language = language_tokenizer([*facts, NOTHING], is_causal=True).backend_tokenizer
    draw = torch.Generator().manual_seed(0)
    table = torch.randn(language.get_vocab_size(), 24, generator=draw)
    slots = slot_vectors(table, word_ids(language, facts))
    states = slots @ torch.randn(24, captioner.WIDTH, generator=draw) + 1.0
    weight, bias = projections.least_squares(states, facts, table, language)
    assert projections.unexplained(states, facts, table, language, weight, bias) < 0.02
    assert projections.unexplained(states.flip(0), facts, table, language, weight, bias) > 0.5
    projections.save_projection(tmp_path / projections.file_of("llama"), weight, bias)
    saved = projections.load_file(tmp_path / projections.file_of("llama"))
    assert saved["language_projection.weight"].shape == (24, captioner.WIDTH)
    assert saved["language_projection.bias"].dtype == torch.float16
