"""Features of frames, encoded once and kept for the next batches, which often ask about the same images."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b

import torch
from torch import Tensor

from ib_data.evaluation.answering import Frames

NUM_KEPT = 64  # of the paper's vision encoder 0.7 MB each in bfloat16
_NUM_AT_ONCE = 16


class FrameFeatures:
    """Features (P, width) of the frames asked about last, at most `num_kept` between calls."""

    def __init__(self, num_kept: int = NUM_KEPT) -> None:
        self.num_kept = num_kept
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()

    def of(self, frames: Sequence[Frames], encode: Callable[[Sequence[Frames]], Tensor]) -> Tensor:
        """Features (F, P, width) of frames uint8 (S, S, 3), in order; `encode` is called for new ones, each once."""
        digests = [blake2b(frame.tobytes(), digest_size=16).digest() for frame in frames]
        new = {d: frame for d, frame in zip(digests, frames, strict=True) if d not in self._kept}
        names = list(new)
        for first in range(0, len(names), _NUM_AT_ONCE):
            part = names[first : first + _NUM_AT_ONCE]
            # A clone, since a view would keep the features of the whole part.
            self._kept.update(zip(part, (one.clone() for one in encode([new[d] for d in part])), strict=True))
        for digest in digests:
            self._kept.move_to_end(digest)
        found = torch.stack([self._kept[digest] for digest in digests])
        while len(self._kept) > self.num_kept:
            self._kept.popitem(last=False)
        return found
