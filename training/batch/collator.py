"""Collates the examples of a step into micro-batches: each frame once, and targets apart from instructions.

Runs in the loading workers: tokenizers never run in the training process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from ib_data.errors import DataError
from ib_data.mixtures.stream.example import Example
from ib_data.tasks import TASKS
from ib_data.training.batch.batch import Batch, StepBatch
from ib_data.training.batch.padding import right_padded
from ib_data.training.batch.row import Row, RowMaker

_TASK_NUMBERS = {name: number for number, name in enumerate(TASKS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collator:
    """Makes the batch of a step.

    `micro_batch_size` positions go into one micro-batch (0: all). With `group_by_length` the positions are ordered by
    length first, so that a micro-batch has little padding; the step has the same positions. The Q-Former reads text if
    `instruction_aware`. An encoder-decoder model begins its decoder with `decoder_start_id`.
    """

    rows: RowMaker
    instruction_aware: bool = True
    decoder_start_id: int | None = None
    micro_batch_size: int = 0
    group_by_length: bool = False

    def __call__(self, examples: Sequence[Example]) -> StepBatch:
        """The batch of the examples of a step.

        Raises DataError for an example without pixels or with a hidden answer.
        """
        made = [(example, self._row(example)) for example in examples]
        groups = [list(group) for _, group in groupby(made, key=lambda pair: pair[0].position)]
        if self.group_by_length:  # stable, so that equal lengths keep the order of the stream
            groups.sort(key=lambda group: max(row.length for _, row in group))
        size = self.micro_batch_size or len(groups)
        pieces = [groups[first : first + size] for first in range(0, len(groups), size)]
        micro = tuple(self._batch([pair for group in piece for pair in group]) for piece in pieces)
        return StepBatch(
            micro=micro,
            num_targets=sum(len(batch.targets) for batch in micro),
            num_cut_targets=sum(row.cut_target for _, row in made),
            num_cut_instructions=sum(row.cut_instruction for _, row in made),
        )

    def batch(self, examples: Sequence[Example]) -> Batch:
        """All examples as one batch, in order."""
        return self._batch([(example, self._row(example)) for example in examples])

    def _row(self, example: Example) -> Row:
        _check(example)
        assert example.pixels is not None
        return self.rows.row(example.rendered, _num_frames(example), reads_text=self.instruction_aware)

    def _batch(self, made: Sequence[tuple[Example, Row]]) -> Batch:
        examples, rows = [example for example, _ in made], [row for _, row in made]
        images, frame_index, counts = unique_frames(examples)
        is_causal = self.rows.is_causal
        sequences = [[*row.prompt, *row.output] if is_causal else row.prompt for row in rows]
        input_ids, attention_mask = right_padded(sequences, self.rows.tokenizers.pad_id)
        decoder_input_ids = None if is_causal else self._decoder_inputs(rows)
        width = (input_ids if decoder_input_ids is None else decoder_input_ids).shape[1]
        places = [place for number, row in enumerate(rows) for place in self._target_places(row, number * width)]
        targets = [i for row in rows for i, is_learnt in zip(row.output, row.learnt, strict=True) if is_learnt]
        texts = [row.qformer for row in rows]
        qformer = right_padded(texts, self.rows.tokenizers.qformer.pad_id) if self.instruction_aware else (None, None)
        rows_of_targets = [number for number, row in enumerate(rows) for _ in range(sum(row.learnt))]
        placeholders = (input_ids == self.rows.tokenizers.image_id).sum(dim=1).tolist()
        # With fewer, stock models drop part of the image without a word.
        assert placeholders == [count * self.rows.num_query_tokens for count in counts], "one placeholder per query"
        return Batch(
            images=images,
            frame_index=frame_index,
            text_index=_integers([number for number, count in enumerate(counts) for _ in range(count)]),
            input_ids=input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=decoder_input_ids,
            target_index=_integers(places),
            targets=_integers(targets),
            target_rows=_integers(rows_of_targets),
            qformer_input_ids=qformer[0],
            qformer_attention_mask=qformer[1],
            tasks=_integers([_TASK_NUMBERS[example.rendered.task] for example in examples]),
            positions=_integers([example.position for example in examples]),
        )

    def _decoder_inputs(self, rows: Sequence[Row]) -> Tensor:
        """The decoder's input: its start, then the target without its last token. The padding is never read."""
        assert self.decoder_start_id is not None
        shifted = [[self.decoder_start_id, *row.output[:-1]] for row in rows]
        return right_padded(shifted, self.rows.tokenizers.pad_id)[0]

    def _target_places(self, row: Row, start: int) -> list[int]:
        """The flat places of the outputs that predict the targets of a row: in a causal model, one to the left."""
        first = start + (len(row.prompt) - 1 if self.rows.is_causal else 0)
        return [first + offset for offset, is_learnt in enumerate(row.learnt) if is_learnt]


def unique_frames(examples: Sequence[Example]) -> tuple[Tensor, Tensor, list[int]]:
    """Each frame once, uint8 (U, H, W, 3); the frames of all examples in order, int64 (N,); and each one's number.

    Examples that share an image (the same array) share its frames.
    """
    starts: dict[int, int] = {}
    kept: list[Tensor] = []
    num_kept = 0
    index: list[int] = []
    counts = [_num_frames(example) for example in examples]
    for example, count in zip(examples, counts, strict=True):
        name = id(example.pixels)
        if name not in starts:
            starts[name] = num_kept
            frames = torch.from_numpy(example.pixels)
            kept.append(frames if frames.dim() == 4 else frames[None])
            num_kept += count
        index += range(starts[name], starts[name] + count)
    return torch.cat(kept), _integers(index), counts


def _num_frames(example: Example) -> int:
    """1 for an image, the number of frames for a clip."""
    assert example.pixels is not None
    return 1 if example.pixels.ndim == 3 else len(example.pixels)


def _integers(values: Sequence[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64, device="cpu")


def _check(example: Example) -> None:
    if example.rendered.hidden:
        remedy = "take a split whose answers are known"
        raise DataError(example.dataset, "the answer is hidden, so there is no target", row=example.key, remedy=remedy)
    if example.pixels is None:
        remedy = "open the stream with StreamOptions(images=ImageOptions())"
        raise DataError(example.dataset, "the example has no pixels", row=example.key, remedy=remedy)
