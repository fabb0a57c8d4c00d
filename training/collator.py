"""Collates examples into a batch of tensors: each image once, and labels only on the targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ib_data.errors import DataError
from ib_data.media.normalised import normalised
from ib_data.mixtures.loader.image_batch import unique_images
from ib_data.mixtures.stream.example import Example
from ib_data.templates.rendered import Rendered
from ib_data.training.tokens import BOS, EOS, IMAGE, PAD, Tokens, encode

IGNORED = -100


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One step's tensors: B annotations over U <= B unique images; Q query tokens, L and T are the longest texts.

    `images` uint8 (U, H, W, 3); `image_index` int64 (B,): the image of each annotation. `input_ids` int64 (B, L): Q
    placeholders, BOS, instruction, target, EOS (in a chat, further instructions and targets), padded on the right;
    `attention_mask` int64 (B, L); `labels` int64 (B, L): -100 except on targets and their EOS. `qformer_input_ids` and
    `qformer_attention_mask` int64 (B, T): only the instructions, padded on the right.
    """

    images: Tensor
    image_index: Tensor
    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    qformer_input_ids: Tensor
    qformer_attention_mask: Tensor

    @property
    def pixel_values(self) -> Tensor:
        """The normalised input of the vision encoder, float32 (U, 3, H, W), computed on the device of `images`.

        So only a quarter of the bytes go from the workers to the device.
        """
        return normalised(self.images)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on `device`."""
        return Batch(**{name: getattr(self, name).to(device) for name in self.__dataclass_fields__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Collator:
    """Makes batches. The limits include special tokens; long instructions lose their start, long targets their end."""

    tokens: Tokens
    num_query_tokens: int
    max_instruction_tokens: int
    max_target_tokens: int

    def __call__(self, examples: Sequence[Example]) -> Batch:
        """The batch of `examples`, in order.

        Raises DataError for an example without pixels, with a clip, or with a hidden answer.
        """
        for example in examples:
            _check(example)
        images, image_index = unique_images(examples)
        assert images is not None
        rows = [self.row(example.rendered) for example in examples]
        input_ids, attention_mask = right_padded([ids for ids, _ in rows], self.tokens.language_id(PAD))
        texts = [self.qformer_ids(instructions(example.rendered)) for example in examples]
        qformer_input_ids, qformer_attention_mask = right_padded(texts, self.tokens.qformer_id(PAD))
        return Batch(
            images=images,
            image_index=image_index,
            input_ids=input_ids,
            attention_mask=attention_mask,
            labels=right_padded([labels for _, labels in rows], IGNORED)[0],
            qformer_input_ids=qformer_input_ids,
            qformer_attention_mask=qformer_attention_mask,
        )

    def row(self, rendered: Rendered) -> tuple[list[int], list[int]]:
        """The ids of an example and its labels: the ids of targets, IGNORED elsewhere."""
        ids, labels = self.prompt_ids(""), [IGNORED] * (self.num_query_tokens + 1)
        for text, is_target in rendered.segments:
            piece = self.target_ids(text) if is_target else self._instruction_ids(text)
            ids += piece
            labels += piece if is_target else [IGNORED] * len(piece)
        return ids, labels

    def prompt_ids(self, instruction: str, *, truncate: bool = True) -> list[int]:
        """Placeholders, BOS and the instruction; not truncated for generation, as in the released code."""
        content = self._instruction_ids(instruction) if truncate else encode(self.tokens.language, instruction)
        image = [self.tokens.language_id(IMAGE)] * self.num_query_tokens
        return [*image, self.tokens.language_id(BOS), *content]

    def target_ids(self, target: str) -> list[int]:
        """The target and EOS. A truncated target has no EOS, so that the model does not learn to stop mid-sentence."""
        return [*encode(self.tokens.language, target), self.tokens.language_id(EOS)][: self.max_target_tokens]

    def text_ids(self, rendered: Rendered) -> list[int]:
        """A row without placeholders: the input of a language model without an image."""
        return self.row(rendered)[0][self.num_query_tokens :]

    def qformer_ids(self, instruction: str) -> list[int]:
        """BOS, the end of the instruction, EOS (BERT's [CLS] and [SEP]); never the target, which would leak."""
        kept = last(encode(self.tokens.qformer, instruction), self.max_instruction_tokens - 2)
        return [self.tokens.qformer_id(BOS), *kept, self.tokens.qformer_id(EOS)]

    def _instruction_ids(self, instruction: str) -> list[int]:
        return last(encode(self.tokens.language, instruction), self.max_instruction_tokens - 1)


def instructions(rendered: Rendered) -> str:
    """The text for the Q-Former: the instruction, or all questions of a chat, one per line."""
    return "\n".join(text for text, is_target in rendered.segments if not is_target)


def last(ids: list[int], count: int) -> list[int]:
    """The last `count` ids; none for a count of 0 or below."""
    return ids[-count:] if count > 0 else []


def right_padded(rows: Sequence[list[int]], fill: int) -> tuple[Tensor, Tensor]:
    """Rows as int64 (B, longest), filled on the right, and their mask of ones and zeros."""
    width = max(map(len, rows))
    ids = torch.tensor([row + [fill] * (width - len(row)) for row in rows], dtype=torch.int64, device="cpu")
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], dtype=torch.int64, device="cpu")
    return ids, mask


def _check(example: Example) -> None:
    if example.media_kind != "image":
        problem = f"training takes images, found {example.media_kind}"
        remedy = "leave this dataset out of the mixture"
        raise DataError(example.dataset, problem, row=example.key, remedy=remedy)
    if example.rendered.hidden:
        remedy = "take a split whose answers are known"
        raise DataError(example.dataset, "the answer is hidden, so there is no target", row=example.key, remedy=remedy)
    if example.pixels is None:
        remedy = "open the stream with StreamOptions(images=ImageOptions())"
        raise DataError(example.dataset, "the example has no pixels", row=example.key, remedy=remedy)
