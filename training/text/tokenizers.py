"""The two tokenizers of a model folder, as plain functions from text to ids.

Only fast tokenizers: they run in the loading workers, where the slow ones would be the bottleneck.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import AutoTokenizer

from ib_data.errors import IbDataError, one_line
from ib_data.training.weights.tokenizer_files import IMAGE_TOKEN, QFORMER_FOLDER


class TextTokenizer:
    """Text to ids, without special tokens: `prefix` and `suffix` are what the model expects before and after.

    A text that spells a special token, such as `<image>` or `</s>`, is read as ordinary text.
    """

    def __init__(self, backend: Tokenizer, prefix: tuple[int, ...], suffix: tuple[int, ...], pad_id: int) -> None:
        self.backend = Tokenizer.from_str(backend.to_str())  # a copy: the switches below are for us alone
        self.prefix, self.suffix, self.pad_id = prefix, suffix, pad_id
        self._set_up()

    def ids(self, text: str) -> list[int]:
        """The ids of `text`, without special tokens and not truncated."""
        found: list[int] = self.backend.encode(text, add_special_tokens=False).ids
        return found

    def text(self, ids: Iterable[int]) -> str:
        """The text of `ids` without special tokens, and without blanks at the ends."""
        found: str = self.backend.decode(list(ids), skip_special_tokens=True)
        return found.strip()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._set_up()

    def _set_up(self) -> None:
        self.backend.no_truncation()
        self.backend.no_padding()
        self.backend.encode_special_tokens = True  # not part of a tokenizer's file, nor of its pickle


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizers:
    """The tokenizers of a model: `language` for the language model, `qformer` for the Q-Former."""

    language: TextTokenizer
    qformer: TextTokenizer
    image_id: int
    eos_id: int

    @property
    def pad_id(self) -> int:
        """The id that fills rows of the language model; it is always masked."""
        return self.language.pad_id

    @property
    def bos_id(self) -> int | None:
        """The id that a prompt begins with, or None if the language model has none."""
        return self.language.prefix[0] if self.language.prefix else None


def load_tokenizers(folder: Path, image_id: int | None, bos_token: str = "") -> Tokenizers:
    """The tokenizers of a model folder. `bos_token`, if not empty, begins prompts in place of the tokenizer's own.

    Released Vicuna weights need `</s>`: their authors declared it as bos, eos and unk, and `<s>` lowers quality.
    Raises IbDataError for one that is missing, slow, or without image token, end token or `bos_token`.
    """
    language, qformer = _load(folder, "the language model"), _load(folder / QFORMER_FOLDER, "the Q-Former")
    known = language.get_vocab()
    if IMAGE_TOKEN not in known or image_id is None:
        where = folder if IMAGE_TOKEN not in known else folder / "config.json"
        what = f"token {IMAGE_TOKEN}" if IMAGE_TOKEN not in known else "image_token_index"
        remedy = "add both with `ib-data model new` or `ib-data model merge`, or take a newer revision of the folder"
        raise IbDataError(f"{where}: expected the {what}, found none; {remedy}")
    if known[IMAGE_TOKEN] != image_id:
        remedy = "set image_token_index in config.json to the tokenizer's id"
        raise IbDataError(
            f"{folder}: {IMAGE_TOKEN} has id {known[IMAGE_TOKEN]}, but config.json says {image_id}; {remedy}"
        )
    if language.eos_token_id is None:
        raise IbDataError(f"{folder}: the tokenizer has no end token; set eos_token in tokenizer_config.json")
    prefix, suffix = _special(language)
    if bos_token:
        if bos_token not in known:
            raise IbDataError(f"{folder}: bos_token {bos_token!r} is not in the tokenizer; take one that is")
        prefix = (known[bos_token],)
    elif len(prefix) == 1 and not suffix and language.bos_token_id is not None:
        # tokenizer_config.json decides, as its authors meant it: transformers ignores it where tokenizer.json has a
        # template with another token. A prefix with a suffix is not BOS alone: a language of an encoder, say.
        prefix = (language.bos_token_id,)
    pad = language.eos_token_id if language.pad_token_id is None else language.pad_token_id
    made = TextTokenizer(language.backend_tokenizer, prefix, suffix, pad)
    if image_id in made.ids(IMAGE_TOKEN):
        remedy = f'set "special": true for {IMAGE_TOKEN} in its added_tokens, so that a text cannot spell it'
        raise IbDataError(f"{folder / 'tokenizer.json'}: {IMAGE_TOKEN} is not a special token; {remedy}")
    return Tokenizers(
        language=made,
        qformer=TextTokenizer(qformer.backend_tokenizer, *_special(qformer), qformer.pad_token_id or 0),
        image_id=image_id,
        eos_id=language.eos_token_id,
    )


def _load(folder: Path, whose: str) -> Any:
    if not (folder / "tokenizer.json").is_file():
        slow = [name for name in ("tokenizer.model", "spiece.model", "vocab.txt") if (folder / name).is_file()]
        found = f"only {slow[0]}, a slow tokenizer" if slow else "no such file"
        remedy = "make it with transformers: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
        raise IbDataError(f"{folder / 'tokenizer.json'}: expected the tokenizer of {whose}, found {found}; {remedy}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # tokenizers raises bare Exception for a damaged file
        remedy = "copy the folder again"
        raise IbDataError(f"{folder}: not a tokenizer: {one_line(str(error), 200)}; {remedy}") from error
    if not tokenizer.is_fast:
        raise IbDataError(
            f"{folder}: expected a fast tokenizer, found a slow one; save its fast form with transformers"
        )
    return tokenizer


def _special(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that a tokenizer puts before and after a text."""
    found = tokenizer("a", return_special_tokens_mask=True)
    ids, is_special = found["input_ids"], found["special_tokens_mask"]
    content = [place for place, special in enumerate(is_special) if not special]
    if not content:
        return tuple(ids), ()
    return tuple(ids[: content[0]]), tuple(ids[content[-1] + 1 :])
