"""Made-up evaluations for the tests of reports."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.metrics.scores import mean_scores
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.report.writing import write_report
from ib_data.evaluation.scoring.evaluated import Evaluated
from ib_data.sample import Annotation


def toy_case(i: int, **changes: Any) -> Case:
    """Case `i` about image `i // 2`: two questions about each image."""
    given = {
        "id": f"q{i}",
        "key": f"gqa-test-image{i // 2}",
        "annotations": (Annotation(id=f"q{i}", question=f"what is {i}?"),),
        "prompt": f"what is {i}? Short answer:",
        "template": "zero_shot",
        "media_sha256": f"{i // 2:064x}",
    }
    return Case(**{**given, **changes})


def toy_evaluated(values: Sequence[float], *, dataset: str = "gqa", **changes: Any) -> Evaluated:
    """An evaluation with these values: the answer to case `i` is `answer i`, the gold `gold i`."""
    num = len(values)
    profile = changes.pop("profile", "exact")
    method = changes.pop("method", "generate")
    given = {
        "protocol": Protocol(dataset=dataset, split="test", method=method, metric="gqa-accuracy", profile=profile),
        "cases": [toy_case(i) for i in range(num)],
        "predictions": [Prediction(id=f"q{i}", answer=f"answer {i}", num_tokens=i % 5) for i in range(num)],
        "scores": mean_scores(
            np.array(values, dtype=np.float64), forms=[(f"answer {i}", (f"gold {i}",)) for i in range(num)]
        ),
        "golds": [(f"gold {i}",) for i in range(num)],
        "breakdown": {},
        "prompt": "Question: {{ question }} Short answer:",
        "decoding": {"num_beams": 5, "max_new_tokens": 10},
        "model": {"name": "toy", "fingerprint": "abc123"},
        "num_built": num,
        "official_size": 12_578,
        "split_source_name": "testdev_balanced",
    }
    return Evaluated(**{**given, **changes})


# The values of two evaluations of the same eight cases.
A = [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]
B = [1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0]


def write(folder: Path, *evaluated: Evaluated) -> Path:
    """The folder, after writing a report into it."""
    write_report(folder, evaluated, lambda _dataset, _split, _key: None)
    return folder
