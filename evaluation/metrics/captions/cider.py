"""CIDEr-D: how well a caption's n-grams agree with the references, rare n-grams counting more."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from ib_data.evaluation.metrics.captions.grams import distinct, found_in, grams
from ib_data.evaluation.metrics.captions.texts import compared
from ib_data.evaluation.metrics.scores import Floats, Scores, mean_scores

SIGMA = 6.0  # of the penalty on a difference in length


def cider(predictions: Sequence[str], references: Sequence[Sequence[str]], *, tokenised: bool = False) -> Scores:
    """CIDEr-D of the official scorer, as a fraction: papers print it times 100. A perfect score is far below 10.

    How rare an n-gram is comes from the references of the images that are scored. So the score depends on which images
    are scored together: fewer images score differently, parts must not be averaged, and one image alone scores exactly
    0. `also["images"]` tells how many there were. The score of a breakdown's group counts rare n-grams among the
    images of the group; an interval resamples the values of all images, with their n-grams as rare as in the whole.
    An empty prediction scores 0.
    Raises IbDataError if the lengths differ or an image has no reference.
    """
    hypotheses, targets = compared(predictions, references, tokenised=tokenised)
    values = np.zeros(0) if not hypotheses else _values(hypotheses, targets)
    also = {"images": float(len(hypotheses))}
    return mean_scores(values, also=also, forms=list(zip(hypotheses, targets, strict=True)))


def _values(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Floats:
    num = len(hypotheses)
    captions = [*hypotheses, *chain.from_iterable(references)]
    num_references = np.array([len(texts) for texts in references])
    image = np.concatenate([np.arange(num), np.repeat(np.arange(num), num_references)])  # of each caption
    counted = list(grams(captions))
    length = np.bincount(counted[1].caption, counted[1].count, len(captions))  # the scorer's length is that in bigrams
    penalty = np.exp(-((length[image] - length)[num:] ** 2) / (2 * SIGMA**2))
    similarity = np.zeros(len(captions) - num)
    for found in counted:
        is_reference = found.caption >= num
        keys = image[found.caption] * found.num_grams + found.gram  # one for each n-gram of each image
        frequency = np.bincount(distinct(keys[is_reference]) % found.num_grams, minlength=found.num_grams)
        weight = found.count * (np.log(num) - np.log(np.maximum(1, frequency)))[found.gram]
        norm = np.sqrt(np.bincount(found.caption, weight**2, len(captions)))
        own = found_in(keys[is_reference], keys[~is_reference], weight[~is_reference])
        theirs = weight[is_reference]
        dot = np.bincount(found.caption[is_reference], np.minimum(own, theirs) * theirs, len(captions))[num:]
        product = norm[image[num:]] * norm[num:]
        similarity += np.divide(dot, product, out=np.zeros(len(dot)), where=product != 0) * penalty
    mean = np.bincount(image[num:], similarity / 4, num) / num_references
    return np.asarray(mean * 10.0, dtype=np.float64)
