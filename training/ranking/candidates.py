"""Candidate texts as token ids, checked, and as a prefix tree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ib_data.errors import IbDataError
from ib_data.evaluation.answering import Ranking
from ib_data.training.batch.row import RowMaker
from ib_data.training.ranking.tree import Tree, build_tree


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """One list of candidates. `ids`: the tokens of each as a target in training, without the end token."""

    ids: list[list[int]]
    num_bytes: NDArray[np.int64]

    @cached_property
    def tree(self) -> Tree:
        """Their prefix tree."""
        return build_tree(self.ids)

    @property
    def num_tokens(self) -> NDArray[np.int64]:
        """The number of tokens of each (C,), with the end token."""
        return np.array([len(ids) + 1 for ids in self.ids], np.int64)

    @property
    def max_tokens(self) -> int:
        """The number of tokens of the longest one, without the end token."""
        return max(map(len, self.ids))

    def ranking(self, sums: NDArray[np.float64]) -> Ranking:
        """The ranking of one question by log-likelihoods (C,)."""
        return Ranking(sums=sums, num_tokens=self.num_tokens, num_bytes=self.num_bytes)


def read_candidates(texts: Sequence[str], rows: RowMaker) -> Candidates:
    """The candidates of one question.

    Raises IbDataError for no candidate, and with its index for one that is empty or not text.
    """
    if isinstance(texts, str):
        raise IbDataError(f"expected a list of candidates, found the text {texts[:40]!r}; put it into a list")
    if not len(texts):
        raise IbDataError("no candidates; give at least one")
    ids: list[list[int]] = []
    num_bytes: list[int] = []
    for index, text in enumerate(texts):
        num_bytes.append(_num_bytes(index, text))
        ids.append(rows.target(text)[:-1])
        if not ids[-1]:
            raise IbDataError(f"candidate {index} ({text[:40]!r}) has no tokens; leave it out")
    return Candidates(ids=ids, num_bytes=np.array(num_bytes, np.int64))


def _num_bytes(index: int, text: Any) -> int:
    """The length of a candidate in UTF-8. Raises IbDataError for one that is empty or not text."""
    if not isinstance(text, str):
        raise IbDataError(f"candidate {index}: expected a text, found {text!r}")
    if not text.strip():
        raise IbDataError(f"candidate {index} is empty; leave it out")
    try:
        return len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise IbDataError(f"candidate {index} is not text ({error.reason} at character {error.start})") from error


def padded_ids(sequences: Iterable[Sequence[int]], fill: int) -> NDArray[np.int64]:
    """Sequences as rows (R, longest), filled on the right."""
    rows = list(sequences)
    found = np.full((len(rows), max(map(len, rows))), fill, np.int64)
    for row, sequence in enumerate(rows):
        found[row, : len(sequence)] = sequence
    return found
