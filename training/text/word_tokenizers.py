"""Tiny tokenizers built from texts: one token per word, so that any answer is readable."""

from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from ib_data.training.weights.tokenizer_files import IMAGE_TOKEN

PAD, UNKNOWN, BOS, EOS = "<pad>", "<unk>", "<s>", "</s>"
LANGUAGE_SPECIAL = (PAD, UNKNOWN, BOS, EOS, IMAGE_TOKEN)
QFORMER_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def language_tokenizer(texts: Iterable[str], *, is_causal: bool, max_words: int = 4096) -> PreTrainedTokenizerFast:
    """A tokenizer over the `max_words` most frequent words, case kept; other words become `<unk>`.

    Like LLaMA's, it begins a text with BOS if `is_causal`; like T5's, it ends a text with EOS otherwise. Equal texts
    give equal tokenizers.
    """
    tokenizer = _build(texts, LANGUAGE_SPECIAL, UNKNOWN, max_words, lowercase=False)
    form, name = (f"{BOS} $A", BOS) if is_causal else (f"$A {EOS}", EOS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=form, special_tokens=[(name, LANGUAGE_SPECIAL.index(name))]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        bos_token=BOS if is_causal else None,
        eos_token=EOS,
        additional_special_tokens=[IMAGE_TOKEN],
    )


def qformer_tokenizer(texts: Iterable[str], max_words: int = 4096) -> PreTrainedTokenizerFast:
    """A tokenizer like BERT's uncased one: lower-cased, with [CLS] before a text and [SEP] after it."""
    tokenizer = _build(texts, QFORMER_SPECIAL, "[UNK]", max_words, lowercase=True)
    ends = [(name, QFORMER_SPECIAL.index(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def _build(texts: Iterable[str], special: Sequence[str], unknown: str, max_words: int, *, lowercase: bool) -> Tokenizer:
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in splitter.pre_tokenize_str(text.lower() if lowercase else text))
    words = sorted(counts, key=lambda word: (-counts[word], word))[:max_words]
    vocabulary = {word: number for number, word in enumerate((*special, *words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
