"""The tokenizers of a model folder: what they give, and every way in which a folder can lack them."""

import json

import pytest
from tokenizers import Tokenizer, processors
from toy_models import shared_toy_folder, toy_folder
from toy_texts import TEXTS
from toy_training import toy_loaded

from ib_data.errors import IbDataError
from ib_data.training.model.load import load_model
from ib_data.training.text.tokenizers import load_tokenizers
from ib_data.training.text.word_tokenizers import LANGUAGE_SPECIAL, language_tokenizer, qformer_tokenizer
from ib_data.training.weights.tokenizer_files import IMAGE_TOKEN, QFORMER_FOLDER

SENTENCES = ["What colour is the shape? Short answer:", "a Red circle, on white", "it's 3.5 m \u00e9t\u00e9"]


@pytest.fixture
def folder(tmp_path):
    return toy_folder(tmp_path / "model")


def loaded(folder, **options):
    return load_tokenizers(folder, LANGUAGE_SPECIAL.index(IMAGE_TOKEN), **options)


def change(path, **values) -> None:
    """Set values of a JSON file; None removes one."""
    old = json.loads(path.read_text()) | values
    path.write_text(json.dumps({name: value for name, value in old.items() if value is not None}))


def require_error(folder, message, **options) -> None:
    with pytest.raises(IbDataError, match=message) as caught:
        loaded(folder, **options)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def made(folder, texts=SENTENCES, **options):
    """Tokenizers over texts, as a folder has them."""
    language_tokenizer(texts, is_causal=True, **options).save_pretrained(folder)
    qformer_tokenizer(texts).save_pretrained(folder / QFORMER_FOLDER)
    return loaded(folder)


def test_special_ids_of_both_families() -> None:
    causal, encoder_decoder = (load_tokenizers(shared_toy_folder(name), 4) for name in ("llama", "t5"))
    assert (causal.pad_id, causal.bos_id, causal.eos_id, causal.image_id) == (0, 2, 3, 4)
    assert (encoder_decoder.bos_id, encoder_decoder.eos_id) == (None, 3)
    assert (causal.language.prefix, causal.language.suffix) == ((2,), ())
    assert (encoder_decoder.language.prefix, encoder_decoder.language.suffix) == ((), (3,))
    assert (causal.qformer.prefix, causal.qformer.suffix, causal.qformer.pad_id) == ((2,), (3,), 0)


@pytest.mark.parametrize("text", SENTENCES)
def test_a_known_text_survives_unchanged(tmp_path, text) -> None:
    language = made(tmp_path).language
    assert language.text(language.ids(text)) == text


def test_one_word_is_one_token_and_only_the_qformer_ignores_case(tmp_path) -> None:
    tokenizers = made(tmp_path)
    assert len(tokenizers.language.ids("a Red circle")) == 3
    assert tokenizers.qformer.ids("RED") == tokenizers.qformer.ids("red")
    assert tokenizers.language.ids("Red") != tokenizers.language.ids("red")


def test_equal_texts_give_equal_files_whatever_their_order(tmp_path) -> None:
    for name, texts in (("a", SENTENCES), ("b", SENTENCES[::-1])):
        made(tmp_path / name, texts)
    for file in ("tokenizer.json", f"{QFORMER_FOLDER}/tokenizer.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_rare_words_become_unknown(tmp_path) -> None:
    language = made(tmp_path, max_words=4).language
    assert set(language.ids("zebra crossing")) == {1}
    assert language.backend.get_vocab_size() == len(LANGUAGE_SPECIAL) + 4


def test_special_tokens_are_not_in_a_text(tmp_path) -> None:
    language = made(tmp_path).language
    assert language.text([2, *language.ids("a Red circle"), 3, 0, 0]) == "a Red circle"


def test_a_text_that_spells_special_tokens_survives(tmp_path) -> None:
    texts = [f"look at {special} now" for special in LANGUAGE_SPECIAL]
    language = made(tmp_path, texts).language
    for text in texts:
        assert not set(range(5)) & set(language.ids(text))
        assert language.text(language.ids(text)) == text


@pytest.mark.parametrize("name", ["tokenizer.json", f"{QFORMER_FOLDER}/tokenizer.json"])
def test_missing_and_damaged_files(folder, name) -> None:
    content = (folder / name).read_text()
    (folder / name).write_text(content[: len(content) // 2])
    require_error(folder, "not a tokenizer: .*; copy the folder again")
    (folder / name).unlink()
    whose = "the Q-Former" if "/" in name else "the language model"
    require_error(folder, rf"tokenizer\.json: expected the tokenizer of {whose}, found no such file; make it with")


@pytest.mark.parametrize("name", ["tokenizer.model", "spiece.model", f"{QFORMER_FOLDER}/vocab.txt"])
def test_a_slow_tokenizer(folder, name) -> None:
    path = folder / name
    (path.parent / "tokenizer.json").unlink()
    path.write_bytes(b"\n")
    require_error(folder, f"found only {path.name}, a slow tokenizer; make it with transformers")


def test_a_class_that_is_slow(folder) -> None:
    change(folder / "tokenizer_config.json", tokenizer_class="ByT5Tokenizer", bos_token=None)
    require_error(folder, "expected a fast tokenizer, found a slow one; save its fast form")


def test_no_image_token(folder) -> None:
    language_tokenizer(TEXTS, is_causal=True).save_pretrained(folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if token["content"] != IMAGE_TOKEN]
    tokenizer["model"]["vocab"] = {word: id for word, id in tokenizer["model"]["vocab"].items() if word != IMAGE_TOKEN}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    change(folder / "tokenizer_config.json", additional_special_tokens=None, extra_special_tokens=None)
    require_error(folder, "expected the token <image>, found none; add both with")


def test_an_image_token_that_texts_can_spell(folder) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    for token in tokenizer["added_tokens"]:
        token["special"] &= token["content"] != IMAGE_TOKEN
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    change(folder / "tokenizer_config.json", additional_special_tokens=None, extra_special_tokens=None)
    require_error(folder, "<image> is not a special token; set")


def test_another_image_id_in_the_configuration(folder) -> None:
    with pytest.raises(IbDataError, match=r"<image> has id 4, but config\.json says 7; set image_token_index in"):
        load_tokenizers(folder, 7)
    with pytest.raises(IbDataError, match=r"config\.json: expected the image_token_index, found none"):
        load_tokenizers(folder, None)


def test_no_end_token(folder) -> None:
    change(folder / "tokenizer_config.json", eos_token=None)
    require_error(folder, "the tokenizer has no end token; set eos_token in tokenizer_config")


def test_an_unknown_bos_token(folder) -> None:
    require_error(folder, "bos_token '<bos>' is not in the tokenizer; take one that is", bos_token="<bos>")


@pytest.mark.parametrize("part", ["", QFORMER_FOLDER])
def test_ids_beyond_the_embeddings(folder, part) -> None:
    path = folder / part / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["vocab"]["zebra"] = 70
    path.write_text(json.dumps(tokenizer))
    name = "qformer" if part else "language"
    with pytest.raises(IbDataError, match=rf"the {name} tokenizer has id 70, the model has \d+ embeddings; use the"):
        load_model(folder)


def test_vicuna_begins_with_the_bos_of_its_configuration(folder) -> None:
    """Its tokenizer_config.json says `</s>`, the template in tokenizer.json `<s>`, which transformers follows."""
    change(folder / "tokenizer_config.json", bos_token="</s>", unk_token="</s>")
    tokenizers = loaded(folder)
    assert tokenizers.bos_id == tokenizers.eos_id == 3
    assert Tokenizer.from_file(str(folder / "tokenizer.json")).encode("a").ids[0] == 2
    rows = load_model(folder).row_maker(128, 256)
    assert rows.prompt("a", 1)[8:] == [3, *tokenizers.language.ids("a")]


def test_bos_token_takes_the_place_of_the_tokenizers_own(folder) -> None:
    assert loaded(folder).bos_id == 2
    assert loaded(folder, bos_token="</s>").bos_id == 3
    assert load_model(folder, bos_token="</s>").row_maker(128, 256).prompt("a", 1)[8] == 3


def test_a_causal_model_without_bos() -> None:
    rows = toy_loaded("gpt2").row_maker(128, 256)
    assert rows.tokenizers.bos_id is None
    assert rows.prompt("a", 1)[8:] == rows.tokenizers.language.ids("a")


def test_a_language_code_before_a_text_is_not_bos(folder) -> None:
    """As in NLLB: `[code] text </s>`, and a `bos_token` that no text begins with."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ends = [("<unk>", 1), ("</s>", 3)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<unk> $A </s>", special_tokens=ends)
    tokenizer.save(str(folder / "tokenizer.json"))
    assert loaded(folder).language.prefix == (1,)


def test_without_a_padding_token_the_end_token_fills_rows(folder) -> None:
    change(folder / "tokenizer_config.json", pad_token=None)
    assert loaded(folder).pad_id == 3


def test_switches_of_the_files_are_ignored(folder) -> None:
    """Lengths and padding are ours: a tokenizer that was saved with its own would cut texts."""
    plain = loaded(folder)
    for path in (folder / "tokenizer.json", folder / QFORMER_FOLDER / "tokenizer.json"):
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.enable_truncation(3)
        tokenizer.enable_padding(length=40)
        tokenizer.save(str(path))
    changed = loaded(folder)
    for name in ("language", "qformer"):
        text = TEXTS[0] * 3
        assert getattr(changed, name).ids(text) == getattr(plain, name).ids(text)
