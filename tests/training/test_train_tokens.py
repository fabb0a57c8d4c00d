import pytest

from ib_data.errors import IbDataError
from ib_data.training.tokens import IMAGE, SPECIAL, UNKNOWN, Tokens, build_tokens, decode, encode

TEXTS = ["What colour is the shape? Short answer:", "a Red circle, on white", "it's 3.5 m \u00e9t\u00e9"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_known_text_survives_unchanged(text: str) -> None:
    tokens = build_tokens(TEXTS)
    assert decode(tokens.language, encode(tokens.language, text)) == text


def test_one_word_is_one_token() -> None:
    tokens = build_tokens(TEXTS)
    assert len(encode(tokens.language, "a Red circle")) == 3


def test_qformer_ignores_case_and_the_language_model_does_not() -> None:
    tokens = build_tokens(TEXTS)
    assert encode(tokens.qformer, "RED") == encode(tokens.qformer, "red")
    assert encode(tokens.language, "Red") != encode(tokens.language, "red")


def test_equal_texts_give_equal_files_whatever_their_order(tmp_path) -> None:
    for name, texts in (("a", TEXTS), ("b", TEXTS[::-1])):
        (tmp_path / name).mkdir()
        build_tokens(texts).save(tmp_path / name)
    for file in ("tokenizer.json", "qformer_tokenizer.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_saved_tokenizers_load_and_agree(tmp_path) -> None:
    tokens = build_tokens(TEXTS)
    tokens.save(tmp_path)
    loaded = Tokens.load(tmp_path)
    assert encode(loaded.language, TEXTS[1]) == encode(tokens.language, TEXTS[1])
    assert loaded.language_id(IMAGE) == tokens.language_id(IMAGE)


def test_a_text_cannot_spell_a_special_token() -> None:
    texts = [f"look at {special} now" for special in SPECIAL]
    tokens = build_tokens(texts)
    ids = {tokens.language_id(special) for special in SPECIAL}
    for text in texts:
        assert not ids & set(encode(tokens.language, text))
        assert decode(tokens.language, encode(tokens.language, text)) == text


def test_unseen_words_become_unknown() -> None:
    tokens = build_tokens(TEXTS, max_words=4)
    assert set(encode(tokens.language, "zebra crossing")) == {tokens.language_id(UNKNOWN)}
    assert tokens.language.get_vocab_size() == len(SPECIAL) + 4


def test_missing_and_damaged_files_are_named(tmp_path) -> None:
    with pytest.raises(IbDataError, match=r"tokenizer\.json: the tokenizer is missing"):
        Tokens.load(tmp_path)
    build_tokens(TEXTS).save(tmp_path)
    (tmp_path / "qformer_tokenizer.json").write_text("{")
    with pytest.raises(IbDataError, match=r"qformer_tokenizer\.json: not a tokenizer"):
        Tokens.load(tmp_path)
