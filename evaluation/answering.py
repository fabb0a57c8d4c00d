"""What a model is asked, and what it gives back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ib_data.errors import IbDataError, did_you_mean
from ib_data.evaluation.choices import NORMALISATIONS
from ib_data.evaluation.decoding import Decoding
from ib_data.stream_options import ImageOptions

Frames = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt about one or more images and clips, in this order.

    Each of `media` is the bytes of an image file, an image as uint8 (H, W, 3), or the frames of a clip as uint8
    (F, H, W, 3); RGB, of any size.
    """

    prompt: str
    media: Sequence[bytes | Frames]


@dataclass(frozen=True, slots=True)
class Generated:
    """An answer without blanks at its ends; `is_truncated`: it reached the longest length without an end token."""

    text: str
    num_tokens: int
    is_truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The candidates of one question, as the model scores them.

    `sums` float64 (C,): log-likelihood in nats of a candidate's tokens and the end token; -inf for one that is only
    known to be worse than the best. `num_tokens` (C,) counts the end token too; `num_bytes` (C,) are those of the text.
    """

    sums: NDArray[np.float64]
    num_tokens: NDArray[np.int64]
    num_bytes: NDArray[np.int64]

    def scores(self, normalisation: str = "sum") -> NDArray[np.float64]:
        """The scores (C,) by one of `choices.NORMALISATIONS`; higher is better. An empty text counts as one byte.

        Raises IbDataError for any other name.
        """
        if normalisation not in NORMALISATIONS:
            raise IbDataError(f"unknown normalisation {normalisation!r}; {did_you_mean(normalisation, NORMALISATIONS)}")
        if normalisation == "sum":
            return self.sums
        return self.sums / (self.num_tokens if normalisation == "mean" else np.maximum(self.num_bytes, 1))


class Model:
    """What answers: derive from it and write `generate`, `rank` or both.

    `name` is for people. `identity` are JSON values that identify the model: a run is only continued with the same
    ones. `is_causal` is whether its language model has no encoder, which presets of decoding depend on. `images`: the
    size of images, and how many frames of a clip it is given; None: it is given the stored bytes. `trained_on`: each
    dataset and split of its training run; None if that is not known.
    """

    name: str = "model"
    identity: Mapping[str, Any] = MappingProxyType({})
    is_causal: bool = True
    images: ImageOptions | None = ImageOptions()
    trained_on: Sequence[tuple[str, str]] | None = None

    def generate(self, asked: Sequence[Asked], decoding: Decoding) -> Sequence[Generated]:
        """The answers, in order. Raises IbDataError for a question that cannot be answered."""
        raise IbDataError(f"{self.name} does not generate answers; use --method rank")

    def rank(
        self, asked: Sequence[Asked], candidates: Sequence[Sequence[str]], *, only_best: bool = False
    ) -> Sequence[Ranking]:
        """The ranking of each question's own candidates, in order.

        With `only_best` a ranking may leave all but the best by `sums` unknown. Raises IbDataError as `generate`, and
        for a list without candidates or with an empty one.
        """
        raise IbDataError(f"{self.name} does not rank candidates; use --method generate")
