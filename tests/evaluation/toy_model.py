"""A model without weights: it answers by a function of the question, and remembers what it was asked."""

from collections.abc import Callable, Sequence

import numpy as np

from ib_data.evaluation.answering import Asked, Generated, Model, Ranking
from ib_data.evaluation.decoding import Decoding
from ib_data.stream_options import ImageOptions


class ToyModel(Model):
    """`answer` gives the text for a question, or the score of a candidate if it takes two arguments."""

    def __init__(self, answer: Callable[..., object], name: str = "toy") -> None:
        self.answer = answer
        self.name, self.identity = name, {"values": name}
        self.is_causal = True
        self.images = ImageOptions(image_px=8)
        self.trained_on: list[tuple[str, str]] | None = None
        self.asked: list[Asked] = []
        self.decoding: Decoding | None = None
        self.sizes: list[int] = []

    def generate(self, asked: Sequence[Asked], decoding: Decoding) -> list[Generated]:
        self.decoding = decoding
        self.sizes.append(len(asked))
        found = [Generated(str(self.answer(one)), 1, False) for one in asked]
        self.asked += asked
        return found

    def rank(
        self, asked: Sequence[Asked], candidates: Sequence[Sequence[str]], *, only_best: bool = False
    ) -> list[Ranking]:
        self.sizes.append(len(asked))
        self.asked += asked
        return [
            Ranking(
                sums=np.array([float(self.answer(one, text)) for text in texts]),  # type: ignore[arg-type]
                num_tokens=np.full(len(texts), 2),
                num_bytes=np.array([len(text.encode()) for text in texts]),
            )
            for one, texts in zip(asked, candidates, strict=True)
        ]
