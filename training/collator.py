"""Examples to one batch of tensors: every picture once, the answer only where the language model learns it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ib_data.builders.pictures import MediaError
from ib_data.errors import DataError
from ib_data.mixtures.stream import Example
from ib_data.training.pictures import pixels
from ib_data.training.tokens import BOS, EOS, IMAGE, PAD, Tokens, encode

IGNORED = -100


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One step's tensors: B annotations over U <= B unique pictures; Q query tokens, L and T the longest texts.

    `pixel_values` float32 (U, 3, H, W); `image_index` int64 (B,): the picture of each annotation. `input_ids` int64
    (B, L): Q placeholders, BOS, instruction, target, EOS, padding on the right; `attention_mask` int64 (B, L);
    `labels` int64 (B, L): -100 except on target and EOS. `qformer_input_ids` and `qformer_attention_mask` int64
    (B, T): the instruction alone, padded on the right.
    """

    pixel_values: Tensor
    image_index: Tensor
    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    qformer_input_ids: Tensor
    qformer_attention_mask: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same batch on `device`."""
        return Batch(**{name: getattr(self, name).to(device) for name in self.__dataclass_fields__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Collator:
    """Makes batches. The limits count special tokens; instructions lose their beginning, targets their end."""

    tokens: Tokens
    num_query_tokens: int
    image_px: int
    max_instruction_tokens: int
    max_target_tokens: int

    def __call__(self, examples: Sequence[Example]) -> Batch:
        """The batch of `examples`, in their order; DataError for a missing, unreadable or moving picture."""
        places: dict[bytes, int] = {}
        pictures: list[Tensor] = []
        image_index = []
        for example in examples:
            media = _media(example)
            # Keyed by the bytes: question generation and its source share pictures under two dataset names.
            if media not in places:
                places[media] = len(pictures)
                pictures.append(_pixels(media, example, self.image_px))
            image_index.append(places[media])
        prompts = [self.prompt_ids(example.rendered.instruction) for example in examples]
        targets = [self.target_ids(example.rendered.target) for example in examples]
        rows = [prompt + target for prompt, target in zip(prompts, targets, strict=True)]
        labels = [[IGNORED] * len(prompt) + target for prompt, target in zip(prompts, targets, strict=True)]
        input_ids, attention_mask = right_padded(rows, self.tokens.language_id(PAD))
        texts = [self.qformer_ids(example.rendered.instruction) for example in examples]
        qformer_input_ids, qformer_attention_mask = right_padded(texts, self.tokens.qformer_id(PAD))
        return Batch(
            pixel_values=torch.stack(pictures),
            image_index=torch.tensor(image_index),
            input_ids=input_ids,
            attention_mask=attention_mask,
            labels=right_padded(labels, IGNORED)[0],
            qformer_input_ids=qformer_input_ids,
            qformer_attention_mask=qformer_attention_mask,
        )

    def prompt_ids(self, instruction: str, *, truncate: bool = True) -> list[int]:
        """Placeholders, BOS and the instruction; without truncation at generation, as the released code does."""
        content = encode(self.tokens.language, instruction)
        kept = last(content, self.max_instruction_tokens - 1) if truncate else content
        image = [self.tokens.language_id(IMAGE)] * self.num_query_tokens
        return [*image, self.tokens.language_id(BOS), *kept]

    def target_ids(self, target: str) -> list[int]:
        """The target and EOS. A target that is cut loses its EOS too: nobody should learn to stop in mid-sentence."""
        return [*encode(self.tokens.language, target), self.tokens.language_id(EOS)][: self.max_target_tokens]

    def text_ids(self, instruction: str, target: str) -> list[int]:
        """BOS, instruction, target and EOS: what a language model reads where there is no picture."""
        return self.prompt_ids(instruction)[self.num_query_tokens :] + self.target_ids(target)

    def qformer_ids(self, instruction: str) -> list[int]:
        """BOS, the end of the instruction, EOS (BERT's [CLS] and [SEP]); never the target, which would leak."""
        kept = last(encode(self.tokens.qformer, instruction), self.max_instruction_tokens - 2)
        return [self.tokens.qformer_id(BOS), *kept, self.tokens.qformer_id(EOS)]


def batches(examples: Iterator[Example], size: int) -> Iterator[list[Example]]:
    """Lists of `size` examples; a shorter rest is an error, since it would shift every later position."""
    held: list[Example] = []
    for example in examples:
        held.append(example)
        if len(held) == size:
            yield held
            held = []
    assert not held, f"the stream ended {size - len(held)} examples short of a batch"


def last(ids: list[int], count: int) -> list[int]:
    """The last `count` ids; none for a count of 0 or below."""
    return ids[-count:] if count > 0 else []


def right_padded(rows: Sequence[list[int]], fill: int) -> tuple[Tensor, Tensor]:
    """Rows as int64 (B, longest), filled on the right, and their mask of ones and zeros."""
    width = max(map(len, rows))
    ids = torch.tensor([row + [fill] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask


def _media(example: Example) -> bytes:
    if example.media_kind != "image":
        remedy = "leave this dataset out of the mixture"
        raise DataError(
            example.dataset, f"training takes images, found {example.media_kind}", row=example.key, remedy=remedy
        )
    if example.media is None:
        remedy = f"build {example.dataset} without --no-media"
        raise DataError(example.dataset, "the sample was built without its image", row=example.key, remedy=remedy)
    return example.media


def _pixels(media: bytes, example: Example, image_px: int) -> Tensor:
    try:
        return pixels(media, image_px)
    except MediaError as error:
        remedy = f"run `ib-data check {example.dataset} --decode`"
        problem = f"the image of position {example.position} cannot be decoded: {error}"
        raise DataError(example.dataset, problem, row=example.key, remedy=remedy) from error
