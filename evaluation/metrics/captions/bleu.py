"""BLEU-1 to BLEU-4 of captions, with the reference length closest to the prediction's."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from ib_data.evaluation.metrics.captions.grams import found_in, grams
from ib_data.evaluation.metrics.captions.texts import compared
from ib_data.evaluation.metrics.scores import Floats, Indices, Scores

SMALL, TINY = 1e-9, 1e-15  # the official scorer's guards against division by zero; they show in its per-image values


def bleu(predictions: Sequence[str], references: Sequence[Sequence[str]], *, tokenised: bool = False) -> Scores:
    """BLEU-4 of all images together as the official scorer computes it; `values` are BLEU-4 of single images.

    The score is not the mean of `values`: n-grams are counted over all images. `also`: bleu-1 to bleu-4; `testlen` and
    `reflen`, the tokens of predictions and of the references closest in length (the shorter of two equally close);
    `correct-1` to `correct-4`, n-grams that a reference has too. An empty prediction adds to `reflen` alone.
    Raises IbDataError if the lengths differ or an image has no reference.
    """
    hypotheses, targets = compared(predictions, references, tokenised=tokenised)
    counts = _counts(hypotheses, targets)
    total = counts.sum(0)
    found = _bleu(total[None])[0] if hypotheses else np.full(4, np.nan)
    also = {f"bleu-{n}": float(found[n - 1]) for n in range(1, 5)} | {"testlen": float(total[1])}
    also |= {"reflen": float(total[0])} | {f"correct-{n}": float(total[4 + n]) for n in range(1, 5)}
    return Scores(
        score=float(found[3]),
        values=_bleu(counts)[:, 3],
        also=also,
        forms=list(zip(hypotheses, targets, strict=True)),
        resampled=lambda drawn: float(_bleu(counts[drawn].sum(0)[None])[0, 3]),
    )


def _counts(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Indices:
    """(images, 9): closest reference length, n-grams of 1 to 4 words, and how many of them are correct."""
    counts = np.zeros(((num := len(hypotheses)), 9), np.int64)
    image = np.repeat(np.arange(num), [len(texts) for texts in references])
    for row, (hypothesis, texts) in enumerate(zip(hypotheses, references, strict=True)):
        counts[row, 1] = length = len(hypothesis.split())
        counts[row, 0] = min((abs(other - length), other) for other in (len(text.split()) for text in texts))[1]
    for n, found in enumerate(grams([*hypotheses, *chain.from_iterable(references)])):
        own, theirs = found.part(0, num), found.part(num, num + len(image))
        keys = image[theirs.caption - num] * found.num_grams + theirs.gram
        order = np.lexsort((theirs.count, keys))
        last = order[np.flatnonzero(np.diff(keys[order], append=-1))]  # of an image's n-gram, the largest count
        most = found_in(own.caption * found.num_grams + own.gram, keys[last], theirs.count[last])
        counts[:, 1 + n] = np.maximum(counts[:, 1] - n, 0)
        counts[:, 5 + n] = np.bincount(own.caption, np.minimum(own.count, most), num)
    return counts


def _bleu(counts: Indices) -> Floats:
    """(rows, 4): BLEU-1 to BLEU-4 of each row of counts."""
    precision = np.cumprod((counts[:, 5:] + TINY) / (counts[:, 1:5] + SMALL), 1) ** (1 / np.arange(1, 5))
    ratio = (counts[:, 1] + TINY) / (counts[:, 0] + SMALL)
    return np.asarray(precision * np.exp(np.minimum(0, 1 - 1 / ratio))[:, None], dtype=np.float64)
