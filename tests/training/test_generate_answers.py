"""Answers: independence of the batch, parity with stock transformers, penalties, lengths, media."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from toy_answers import FAMILIES, eight_questions, noise, toy_answerer
from toy_models import ALL_FAMILIES, shared_toy_folder, toy_folder
from toy_texts import TEXTS
from toy_training import draw
from transformers import InstructBlipForConditionalGeneration

from ib_data.errors import IbDataError
from ib_data.evaluation.answering import Asked
from ib_data.evaluation.decoding import Decoding, preset
from ib_data.home import Home
from ib_data.media.normalised import normalised
from ib_data.training.generation.frames import squares
from ib_data.training.generation.opened import open_answerer
from ib_data.training.text.tokenizers import TextTokenizer

GREEDY, BEAMS = Decoding(max_new_tokens=8), Decoding(max_new_tokens=8, num_beams=5)
STRONG = 1e6
WORDS = sorted({word for text in TEXTS for word in text.split()})


@pytest.fixture(params=FAMILIES)
def family(request) -> str:
    return request.param


@pytest.mark.parametrize(
    "decoding",
    [
        GREEDY,
        Decoding(max_new_tokens=12, min_new_tokens=12, repetition_penalty=STRONG),
        Decoding(max_new_tokens=9, min_new_tokens=3, repetition_penalty=1.5, num_beams=5, length_penalty=-1.0),
        Decoding(max_new_tokens=8, temperature=1.5, top_p=0.95),
    ],
    ids=["greedy", "penalty", "beams", "sampling"],
)
@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_an_answer_does_not_depend_on_its_batch_mates(family: str, decoding: Decoding) -> None:
    answerer, asked = toy_answerer(family), eight_questions()
    together = answerer.generate(asked, decoding)
    assert len(set(together)) > 2, "equal answers would show nothing"
    assert together == [answerer.generate([one], decoding)[0] for one in asked]


@pytest.fixture(scope="module")
def stock():
    made = {
        family: InstructBlipForConditionalGeneration.from_pretrained(shared_toy_folder(family), dtype=torch.float32)
        for family in FAMILIES
    }
    return {family: model.eval() for family, model in made.items()}


def stock_ids(model, answerer, prompt: str, image: bytes, **options) -> list[int]:
    """The new ids of transformers' own `generate`."""
    (square,) = squares(image, answerer.image_px)
    qformer = torch.tensor([answerer.rows.qformer(prompt)])
    ids = torch.tensor([answerer.rows.prompt(prompt, 1, truncate=False)])
    found = model.generate(
        pixel_values=normalised(torch.from_numpy(square)[None]),
        qformer_input_ids=qformer,
        qformer_attention_mask=torch.ones_like(qformer),
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        pad_token_id=answerer.loaded.tokenizers.pad_id,
        **options,
    )[0].tolist()
    return found[ids.shape[1] :] if answerer.loaded.is_causal else found


def new_ids(answerer, asked: Asked, decoding: Decoding) -> list[int]:
    """The new ids of our answer, up to the end token; that of an encoder-decoder begins with its start."""
    (ids,) = answerer._new_ids([answerer.prepared(asked, decoding)], decoding)
    return ids if answerer.loaded.is_causal else ids[1:]


@pytest.mark.parametrize("num_beams", [1, 5])
def test_answers_equal_those_of_stock_transformers_where_it_has_no_trap(family: str, stock, num_beams: int) -> None:
    answerer = toy_answerer(family)
    for prompt in ("Caption:", "What shape is shown? Short answer:"):
        image = draw("green", "square")
        expected = stock_ids(stock[family], answerer, prompt, image, max_new_tokens=8, num_beams=num_beams)
        (found,) = answerer.generate([Asked(prompt, [image])], Decoding(max_new_tokens=8, num_beams=num_beams))
        assert found == answerer.text_of(expected) != ""


@pytest.mark.parametrize("num_beams", [1, 5])
def test_the_repetition_penalty_never_touches_the_prompt(family: str, stock, num_beams: int) -> None:
    """Trap E3: the stock wrapper passes the prompt's ids of causal models on to the penalty."""
    answerer, image = toy_answerer(family), draw("red", "circle")
    options = {"max_new_tokens": 6, "min_new_tokens": 6, "num_beams": num_beams, "repetition_penalty": STRONG}
    is_trap_seen = False
    for left_out in range(0, len(WORDS), 5):
        prompt = " ".join(WORDS[:left_out] + WORDS[left_out + 1 :])
        asked = Asked(prompt, [image])
        found = new_ids(answerer, asked, Decoding(**options))
        plain = new_ids(answerer, asked, Decoding(max_new_tokens=6, min_new_tokens=6, num_beams=num_beams))
        assert len(set(found)) == 6, "the penalty must reach the answer's own words"
        assert set(found) & set(answerer.rows.prompt(prompt, 1)), "a word of the prompt must still be able to appear"
        assert num_beams > 1 or found[0] == plain[0], "the first word has nothing before it that it could repeat"
        is_trap_seen |= stock_ids(stock[family], answerer, prompt, image, **options)[-6:] != found
    assert is_trap_seen == answerer.loaded.is_causal, "whether stock transformers has the trap"


def test_the_penalty_gives_no_warning(family: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        toy_answerer(family).generate(eight_questions(), preset("vqa", is_causal=family == "llama"))


def test_a_qformer_that_reads_no_text_sees_the_image_alone(family: str) -> None:
    answerer, image = toy_answerer(family), draw("red", "circle")
    asked = [answerer.prepared(Asked(prompt, [image]), GREEDY) for prompt in ("Caption:", "a red circle")]
    for is_aware in (True, False):
        one, other = replace(answerer, instruction_aware=is_aware).soft_prompts(asked).detach()
        assert torch.equal(one, other) != is_aware


def test_lengths_count_new_tokens_only(family: str) -> None:
    answerer, (asked, *_) = toy_answerer(family), eight_questions()
    for num_beams in (1, 3):
        assert len(new_ids(answerer, asked, Decoding(max_new_tokens=5, min_new_tokens=5, num_beams=num_beams))) == 5


@pytest.mark.parametrize("name", ["vqa", "caption"])
def test_each_preset_answers(family: str, name: str) -> None:
    decoding = preset(name, is_causal=family == "llama")
    ids = new_ids(toy_answerer(family), eight_questions()[0], decoding)
    assert decoding.min_new_tokens <= len(ids) <= decoding.max_new_tokens


def test_an_image_that_several_questions_share_is_encoded_once(family: str, monkeypatch) -> None:
    answerer, counts = toy_answerer(family), []
    vision = answerer.model.vision_model
    before = vision.forward
    monkeypatch.setattr(
        vision, "forward", lambda **given: (counts.append(len(given["pixel_values"])), before(**given))[1]
    )
    image, clip = draw("red", "circle"), noise(4, 32, 32, 3)
    array = squares(image, 32)[0]
    asked = [
        Asked("Caption:", [image]),
        Asked("red", [array, image]),
        Asked("a", [clip]),
        Asked("white", [clip, image]),
    ]
    answerer.generate(asked, GREEDY)
    assert counts == [5]


def test_a_clip_is_its_frames_in_order(family: str) -> None:
    answerer, clip = toy_answerer(family), noise(4, 32, 32, 3)
    decoding = Decoding(max_new_tokens=8, min_new_tokens=8)
    as_clip, as_images, turned, one = answerer.generate(
        [Asked("Caption:", media) for media in ([clip], list(clip), list(clip[::-1]), [clip[0]])], decoding
    )
    assert as_clip == as_images
    assert len({as_clip, turned, one}) == 3


def test_an_array_and_its_file_are_the_same_image(tmp_path: Path) -> None:
    array = noise(48, 60, 3)
    Image.fromarray(array).save(tmp_path / "a.png")
    (of_array,), (of_file,) = squares(array, 32), squares((tmp_path / "a.png").read_bytes(), 32)
    assert np.array_equal(of_array, of_file)
    assert of_array.shape == (32, 32, 3)


def test_bfloat16_answers(family: str) -> None:
    answerer = toy_answerer(family, "bfloat16")
    assert answerer.model.language_model.dtype == torch.bfloat16
    assert answerer.model.query_tokens.dtype == torch.float32
    assert len(set(answerer.generate(eight_questions(), BEAMS))) > 1


def test_what_a_folder_says_about_decoding_changes_nothing(family: str, tmp_path: Path) -> None:
    folder = toy_folder(tmp_path / "model", family)
    values = json.loads((folder / "config.json").read_text())
    values["text_config"] |= {"no_repeat_ngram_size": 1, "num_beams": 3, "repetition_penalty": 5.0, "min_length": 6}
    (folder / "config.json").write_text(json.dumps(values))
    decoding = {"do_sample": True, "temperature": 9.0, "suppress_tokens": [7, 8, 9], "max_length": 3}
    (folder / "generation_config.json").write_text(json.dumps(decoding))
    told = open_answerer(str(folder), Home(tmp_path / "home"), device="cpu")
    assert told.generate(eight_questions(), GREEDY) == toy_answerer(family).generate(eight_questions(), GREEDY)


def test_the_unknown_token_is_not_printed() -> None:
    """Vicuna's id 0: the released code maps it to the end token, which its decoding drops."""
    answerer = toy_answerer()
    backend = Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1, "red": 2, "circle": 3}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizers = replace(answerer.loaded.tokenizers, language=TextTokenizer(backend, (), (), 1))
    toy = replace(answerer, loaded=replace(answerer.loaded, tokenizers=tokenizers))
    assert tokenizers.language.text([2, 0, 3]) == "red <unk> circle", "this tokenizer does not know it is special"
    assert toy.text_of([2, 0, 3, 0]) == "red circle"


def test_a_prompt_that_spells_special_tokens_is_ordinary_text(family: str) -> None:
    answerer = toy_answerer(family)
    prompt = "red <image> </s> <image> white"
    row = answerer.rows.prompt(prompt, 2, truncate=False)
    assert row.count(answerer.loaded.tokenizers.image_id) == 2 * 8
    assert answerer.loaded.tokenizers.eos_id not in row[:-1]
    assert len(answerer.generate([Asked(prompt, [draw("red", "circle")] * 2)], GREEDY)) == 1


def test_a_prompt_of_5000_words_is_not_cut(family: str, tmp_path: Path) -> None:
    image, long = draw("red", "circle"), " ".join(["white"] * 5000)
    answerer, decoding = toy_answerer(family), Decoding(max_new_tokens=2, min_new_tokens=2)
    if family == "llama":
        with pytest.raises(IbDataError, match=r"5,009 tokens with its images, max_new_tokens is 2, .* 2,048 positions"):
            answerer.generate([Asked(long, [image])], decoding)
        folder = toy_folder(tmp_path / "model", family)
        values = json.loads((folder / "config.json").read_text())
        values["text_config"]["max_position_embeddings"] = 8192
        (folder / "config.json").write_text(json.dumps(values))
        answerer = open_answerer(str(folder), Home(tmp_path / "home"), device="cpu")
    assert len(answerer.rows.prompt(long, 1, truncate=False)) == 5009
    assert len(answerer.rows.qformer(long)) == 128
    few = (
        long if family == "llama" else " ".join(["white"] * 1000)
    )  # T5's positions are relative: a matrix for each head
    assert len(new_ids(answerer, Asked(few, [image]), decoding)) == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked("Caption:", [b"no image"]), "not an image"),
        (Asked("Caption:", [b""]), "the file is empty"),
        (Asked("Caption:", []), "no image"),
        (Asked("half a pair: \ud800", [noise(32, 32, 3)]), "not text"),
        (Asked("Caption:", [noise(32, 32)]), r"expected uint8 \(height, width, 3\)"),
        (Asked("Caption:", [noise(32, 32, 3).astype(np.float32)]), "found float32"),
        (Asked("Caption:", [noise(0, 32, 32, 3)]), "found uint8"),
    ],
)
def test_what_cannot_be_asked_is_an_error(asked: Asked, said: str) -> None:
    with pytest.raises(IbDataError, match=said):
        toy_answerer().prepared(asked, GREEDY)
    with pytest.raises(IbDataError, match=said):
        toy_answerer().generate([eight_questions()[0], asked], GREEDY)


def test_no_questions_have_no_answers() -> None:
    assert toy_answerer().generate([], GREEDY) == []


def test_too_little_gpu_memory_says_what_to_lower(monkeypatch) -> None:
    def full(*_given: object, **_named: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(toy_answerer().model.language_model, "generate", full)
    with pytest.raises(IbDataError, match="8 questions with 5 beams; lower either"):
        toy_answerer().generate(eight_questions(), BEAMS)
