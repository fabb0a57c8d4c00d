"""What a step did, counted over all processes: samples, tokens, FLOPs, waiting and memory."""

import resource
import sys
from collections.abc import Mapping
from typing import Any

import torch

from ib_data.stored.meter import Meter
from ib_data.training.batch.batch import Batch, StepBatch
from ib_data.training.estimate.flops import Row, step_flops
from ib_data.training.estimate.parts import Parts
from ib_data.training.loop.ranks import Ranks

# Of the meter of a stream: summed over all workers of all processes.
METERED = ("read_s", "decode_s", "render_s", "num_bad", "num_fetched", "num_cache_hits")
# Tokens of an annotation: instruction, target and the Q-Former's text; and its number of frames. See `Row`.
Lengths = tuple[int, int, int, int]


class StepCounter:
    """Counts what this process does in a step, without padding; 0.3 ms for 64 annotations.

    FLOPs add up over annotations and images, and lengths recur, so each length is counted once (100 us: the
    configurations of transformers are slow to read).
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._num_queries: int = parts.config.num_query_tokens
        self._image_flops = step_flops(parts, [], num_images=1).total
        self._row_flops: dict[Lengths, float] = {}

    def counts(self, batch: StepBatch, num_encoded: int | None = None) -> dict[str, float]:
        """What this process does with a batch.

        `num_samples`: annotations; `num_language_tokens`: tokens that the language model reads, with those of the
        image; `flops` of forward and backward, see `step_flops`. `num_encoded`: the images that go through the vision
        encoder, if not each of the batch does.
        """
        rows = [row for micro in batch.micro for row in row_lengths(micro, self._num_queries)]
        num_images = sum(len(micro.images) for micro in batch.micro) if num_encoded is None else num_encoded
        return {
            "num_samples": len(rows),
            "num_language_tokens": sum(row[0] + row[1] + row[3] * self._num_queries for row in rows),
            "flops": num_images * self._image_flops + sum(map(self._flops_of, rows)),
            "num_cut_targets": batch.num_cut_targets,
            "num_cut_instructions": batch.num_cut_instructions,
        }

    def _flops_of(self, row: Lengths) -> float:
        found = self._row_flops.get(row)
        if found is None:
            instruction, target, qformer, frames = row
            lengths = Row(instruction=instruction, target=target, qformer=qformer, frames=frames)
            found = self._row_flops[row] = step_flops(self._parts, [lengths], num_images=0).total
        return found


def row_lengths(batch: Batch, num_queries: int) -> list[Lengths]:
    """The lengths of each annotation of a batch on the CPU.

    In a causal model, the further instructions of a conversation count as instruction, in an encoder-decoder model as
    target: both models read them there.
    """
    size = len(batch)
    frames = torch.bincount(batch.text_index, minlength=size)
    prompts = batch.attention_mask.sum(1) - frames * num_queries
    if batch.decoder_input_ids is None:
        targets = torch.bincount(batch.target_rows, minlength=size)
        prompts = prompts - targets
    else:
        ends = batch.target_index % batch.decoder_input_ids.shape[1] + 1
        targets = torch.zeros(size, dtype=torch.int64).scatter_reduce_(0, batch.target_rows, ends, "amax")
    mask = batch.qformer_attention_mask
    texts = torch.zeros_like(frames) if mask is None else mask.sum(1)
    return list(zip(prompts.tolist(), targets.tolist(), texts.tolist(), frames.tolist(), strict=True))


def over_ranks(ranks: Ranks, sums: Mapping[str, float], largest: Mapping[str, float]) -> dict[str, float]:
    """The sum over all processes of each of `sums`, and the largest value of each of `largest`; one reduction."""
    world, rank = ranks.world, ranks.rank
    places = [value if place == rank else 0.0 for value in largest.values() for place in range(world)]
    found = ranks.sums([*sums.values(), *places])
    summed = dict(zip(sums, found, strict=False))
    of_ranks = found[len(sums) :]
    return summed | {name: max(of_ranks[n * world : (n + 1) * world]) for n, name in enumerate(largest)}


def metered(meter: Meter) -> dict[str, float]:
    """The values of METERED since they were last taken."""
    values: dict[str, Any] = meter.values()
    return {name: values[name] for name in METERED}


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory this process has held so far: torch's on a GPU, all of the process on the CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
