"""The tensors of one training step, in micro-batches.

Shape letters, here and in `training/model/forward.py`: U unique frames, N pairs of an annotation and one of its frames,
B annotations, Q query tokens, T Q-Former text tokens, L language-model tokens, S target tokens.
"""

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from ib_data.media.normalised import normalised

IGNORED = -100  # the label of a position without a target, as in torch's cross_entropy


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one forward pass reads: B annotations about U <= N unique frames; an image is one frame.

    `images` uint8 (U, H, W, 3). `frame_index`, `text_index` int64 (N,): the frame and the annotation of each pair,
    annotations in order and each one's frames in time order. `input_ids`, `attention_mask` int64 (B, L), padded on the
    right: Q placeholders for each frame, then text; the target follows in a causal model, and an encoder-decoder model
    has it in `decoder_input_ids` int64 (B, D), None for causal models. `target_index` int64 (S,): the flat places
    (row * width + column) of the decoder's output that predict `targets` int64 (S,); `target_rows` int64 (S,): their
    annotations. `qformer_input_ids`, `qformer_attention_mask` int64 (B, T): the instructions alone, padded on the
    right; None if the Q-Former reads no text. `tasks` int64 (B,): the place in TASKS, `positions` int64 (B,): the
    position in the stream.
    """

    images: Tensor
    frame_index: Tensor
    text_index: Tensor
    input_ids: Tensor
    attention_mask: Tensor
    decoder_input_ids: Tensor | None
    target_index: Tensor
    targets: Tensor
    target_rows: Tensor
    qformer_input_ids: Tensor | None
    qformer_attention_mask: Tensor | None
    tasks: Tensor
    positions: Tensor

    def __len__(self) -> int:
        """The number of annotations."""
        return len(self.positions)

    @property
    def pixel_values(self) -> Tensor:
        """The normalised input of the vision encoder, float32 (U, 3, H, W), computed on the device of `images`.

        So only a quarter of the bytes go from the workers to the device.
        """
        return normalised(self.images)

    @property
    def labels(self) -> Tensor:
        """The targets as transformers takes them: int64 (B, L), or (B, D) for an encoder-decoder; IGNORED elsewhere."""
        decoder = self.input_ids if self.decoder_input_ids is None else self.decoder_input_ids
        labels = torch.full_like(decoder, IGNORED)
        labels.view(-1)[self.target_index + int(self.decoder_input_ids is None)] = self.targets
        return labels

    def to(self, device: torch.device) -> "Batch":
        """The same batch on `device`."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        moved: dict[str, Any] = {n: v if v is None else v.to(device, non_blocking=True) for n, v in values.items()}
        return Batch(**moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBatch:
    """What one process reads in one step.

    `num_targets`, `num_cut_targets`, `num_cut_instructions`: target tokens, and annotations whose target or
    instruction was longer than its limit, over all micro-batches.
    """

    micro: tuple[Batch, ...]
    num_targets: int
    num_cut_targets: int
    num_cut_instructions: int
