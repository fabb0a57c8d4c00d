"""How much of a score comes from the image, and how much from the words."""

from typing import Any

import numpy as np

from ib_data.evaluation.metrics.scores import mean_scores
from ib_data.evaluation.report.examples import image_name, number
from ib_data.evaluation.report.statistics import Images, interval
from ib_data.evaluation.scoring.evaluated import Evaluated


def shuffled_values(evaluated: Evaluated) -> dict[str, Any] | None:
    """The score with exchanged images, and what the own image adds; None if images were not exchanged.

    `score` is what the words alone give, `from_image` is the score minus it, with the bootstrap interval of the mean
    difference over images (null for a score that is not a mean over examples), and `answers_changed` is the share of
    answers that are not the same.
    """
    other = evaluated.shuffled
    if other is None:
        return None
    pairs = zip(evaluated.predictions, other.predictions, strict=True)
    changed = [(a.answer, a.choice) != (b.answer, b.choice) for a, b in pairs]
    is_mean = evaluated.scores.resampled is None and other.scores.resampled is None
    differences = evaluated.scores.values - other.scores.values
    images = Images.of([image_name(case) for case in evaluated.cases])
    found = interval(mean_scores(differences), images) if is_mean and np.isfinite(differences).all() else None
    return {
        "seed": other.seed,
        "score": number(other.scores.score),
        "from_image": number(evaluated.scores.score - other.scores.score),
        "interval": None if found is None else list(found),
        "answers_changed": sum(changed) / len(changed),
    }
