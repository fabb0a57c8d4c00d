"""What a report says of each case, and which cases it shows."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.scoring.evaluated import Evaluated
from ib_data.evaluation.scoring.metrics import LOSSES

NUM_SHOWN = 20
NUM_CANDIDATES = 5


def number(value: float) -> float | None:
    """`value` as a float for JSON, which has no nan and no infinity: those are None."""
    return float(value) if math.isfinite(value) else None


def image_name(case: Case) -> str:
    """What identifies the image of a case: the SHA-256 of its bytes, or the key in a build without media."""
    return case.media_sha256 or case.key


def lines(evaluated: Evaluated) -> Iterator[dict[str, Any]]:
    """A line of `examples.jsonl` for each case, in order."""
    for i in range(len(evaluated.cases)):
        yield line(evaluated, i)


def line(evaluated: Evaluated, i: int) -> dict[str, Any]:
    """What `examples.jsonl` says of case `i`. `image` identifies its image; `forms` are null if none were compared.

    `shuffled_answer` is the answer about another example's image, if that was asked.
    """
    case, prediction, forms = evaluated.cases[i], evaluated.predictions[i], evaluated.scores.forms
    found: dict[str, Any] = {
        "id": case.id,
        "key": case.key,
        "image": image_name(case),
        "value": number(evaluated.scores.values[i]),
        "answer": prediction.answer,
        "gold": list(evaluated.golds[i]),
        "forms": {"prediction": forms[i][0], "references": list(forms[i][1])} if forms else None,
        "prompt": case.prompt,
        "template": case.template,
    }
    if evaluated.shuffled:
        found["shuffled_answer"] = evaluated.shuffled.predictions[i].answer
    return {**found, "error": prediction.error} if prediction.error else found


def shown(evaluated: Evaluated, i: int) -> dict[str, Any]:
    """What the report says of case `i`: its line and, if it was ranked, the best candidates."""
    case, prediction = evaluated.cases[i], evaluated.predictions[i]
    found = line(evaluated, i)
    return {**found, "candidates": top(evaluated.protocol, case, prediction)} if prediction.scores else found


def top(protocol: Protocol, case: Case, prediction: Prediction) -> list[dict[str, Any]]:
    """The candidates or labels with the highest scores, best first; of equal scores the lower index."""
    names = case.candidates or case.annotations[0].options
    if protocol.candidates == "verbalisers":
        names = protocol.labels
    ranked = sorted(prediction.scores.items(), key=lambda item: (-item[1], item[0]))[:NUM_CANDIDATES]
    return [{"text": names[i], "score": number(score)} for i, score in ranked if i < len(names)]


def chosen(evaluated: Evaluated, seed: int = 0) -> Mapping[str, list[dict[str, Any]]]:
    """NUM_SHOWN `worst` cases, with the lowest values (of a loss the highest), and as many `random` ones.

    A random case may be among the worst. Which of equal values are shown is drawn, so that they come from the whole
    split.
    """
    num = len(evaluated.cases)
    shuffled = np.random.default_rng(seed).permutation(num)
    sign = -1 if evaluated.protocol.metric in LOSSES else 1
    values = np.nan_to_num(sign * evaluated.scores.values, nan=-np.inf)
    worst = shuffled[np.argsort(values[shuffled], kind="stable")][:NUM_SHOWN]
    random = np.sort(np.random.default_rng(seed + 1).permutation(num)[:NUM_SHOWN])
    return {
        "worst": [shown(evaluated, int(i)) for i in worst],
        "random": [shown(evaluated, int(i)) for i in random],
    }
