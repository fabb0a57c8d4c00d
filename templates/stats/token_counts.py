"""Counts the tokens of a text with a language model's `tokenizer.json`."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ib_data.errors import IbDataError, MissingExtraError


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Counts tokens as the trainer does. `sha256` is the hash of the tokenizer's file, in hex."""

    sha256: str
    tokenizer: Any

    def counts(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text, plus the special token that begins an instruction or ends a target."""
        return [1 + len(found) for found in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


def load_token_counter(path: Path) -> TokenCounter:
    """The counter for a `tokenizer.json`, or for a folder that holds one; about 10 us per text.

    Raises MissingExtraError without the package `tokenizers`, and IbDataError for a missing or damaged file.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtraError("counting tokens needs tokenizers; pip install 'ib-data[train]'") from error
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise IbDataError(f"{file}: no such tokenizer; name a tokenizer.json or a folder that holds one") from error
    try:
        tokenizer = Tokenizer.from_buffer(data)
    except Exception as error:  # tokenizers raises bare Exception for damaged JSON
        raise IbDataError(f"{file}: not a tokenizer: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return TokenCounter(sha256(data).hexdigest(), tokenizer)
