"""Tiny tokenizers built offline from a run's own texts: one token per word, so that any answer is readable.

The special tokens are ordinary entries of the vocabulary that no text can produce (texts are split at `<`): an
instruction that contains `<image>` must not change the number of image placeholders.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from ib_data.errors import IbDataError

PAD, UNKNOWN, BOS, EOS, IMAGE = "<pad>", "<unk>", "<s>", "</s>", "<image>"
SPECIAL = (PAD, UNKNOWN, BOS, EOS, IMAGE)
FILES = {"language": "tokenizer.json", "qformer": "qformer_tokenizer.json"}


@dataclass(frozen=True, slots=True)
class Tokens:
    """The two tokenizers of a model: `language` keeps case and blanks, `qformer` is lower-cased like BERT uncased."""

    language: Tokenizer
    qformer: Tokenizer

    def save(self, folder: Path) -> None:
        """Write both as JSON into `folder`."""
        for name, file in FILES.items():
            (folder / file).write_text(getattr(self, name).to_str(pretty=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Tokens":
        """The tokenizers saved in `folder`. Raises IbDataError if one is missing or damaged."""
        return cls(**{name: _load(folder / file) for name, file in FILES.items()})

    def language_id(self, special: str) -> int:
        """The id of a special token in the language model's vocabulary."""
        return _id(self.language, special)

    def qformer_id(self, special: str) -> int:
        """The id of a special token in the Q-Former's vocabulary."""
        return _id(self.qformer, special)


def build_tokens(texts: Iterable[str], max_words: int = 4096) -> Tokens:
    """Tokenizers over the `max_words` most frequent words of `texts`; equal texts give equal tokenizers.

    Other words become `<unk>`.
    """
    kept = list(texts)
    return Tokens(language=_build(kept, max_words, lowercase=False), qformer=_build(kept, max_words, lowercase=True))


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of `text`, without special tokens and without truncation."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def decode(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    """The text of `ids`, without special tokens other than `<unk>`, and without blanks at the ends."""
    hidden = {_id(tokenizer, special) for special in SPECIAL if special != UNKNOWN}
    text: str = tokenizer.decode([i for i in ids if i not in hidden], skip_special_tokens=False)
    return text.strip()


def _build(texts: list[str], max_words: int, *, lowercase: bool) -> Tokenizer:
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in splitter.pre_tokenize_str(text.lower() if lowercase else text))
    words = sorted(counts, key=lambda word: (-counts[word], word))[:max_words]
    vocabulary = {word: i for i, word in enumerate((*SPECIAL, *words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _load(path: Path) -> Tokenizer:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise IbDataError(f"{path}: the tokenizer is missing; the checkpoint is incomplete") from None
    except ValueError as error:
        raise IbDataError(f"{path}: not a tokenizer: not UTF-8 ({error}); use another checkpoint") from error
    try:
        return Tokenizer.from_str(text)
    except Exception as error:  # tokenizers raises bare Exception for damaged JSON
        raise IbDataError(f"{path}: not a tokenizer: {error}") from error


def _id(tokenizer: Tokenizer, special: str) -> int:
    found: int | None = tokenizer.token_to_id(special)
    if found is None:
        raise IbDataError(f"the tokenizer lacks the special token {special}; it was not made by this package")
    return found
