"""Tokenising and scoring captions: ours, and pycocoevalcap (with its Java tokeniser) where that is installed.

    python benchmarks/caption_metrics.py [--images 40504] [--peer] [--write]

Captions are drawn from a seed: as long as COCO's, words of a Zipf law, five references and one prediction an image.
Prints JSON with times, scores, peak memory and the machine.
"""

import argparse
import os
import random
import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

from hardware import report

from ib_data.evaluation.metrics.captions.bleu import bleu
from ib_data.evaluation.metrics.captions.cider import cider
from ib_data.evaluation.metrics.captions.rouge_l import rouge_l
from ib_data.evaluation.metrics.captions.texts import compared
from ib_data.evaluation.metrics.scores import Scores

Captions = tuple[list[str], list[list[str]]]
SYLLABLES = [first + second for first in "bcdfghlmnprstvw" for second in ("a", "e", "i", "o", "u", "an", "er")]


def captions(num_images: int, seed: int = 0) -> Captions:
    """Predictions and references; a word in 20 is one that the tokeniser must look at."""
    random.seed(seed)
    words = ["one", "the", "on", "of", "in", "with", "and"]
    words += ["".join(random.choices(SYLLABLES, k=2)) for _ in range(20_000)]
    words = [f"{word}'s" if random.random() < 0.05 else word for word in words]
    weights = [1 / (rank + 2) for rank in range(len(words))]
    drawn = iter(random.choices(words, weights, k=num_images * 6 * 14))

    def caption() -> str:
        return " ".join(next(drawn) for _ in range(random.randint(8, 13))).capitalize() + "."

    return [caption() for _ in range(num_images)], [[caption() for _ in range(5)] for _ in range(num_images)]


def timed(call: Callable[..., Any], *given: Any, **named: Any) -> tuple[dict[str, float], Any]:
    """Seconds by the clock and of processors (Java's included), and what the call returned."""
    start, before = time.perf_counter(), sum(os.times()[:4])
    result = call(*given, **named)
    clock, processor = time.perf_counter() - start, sum(os.times()[:4]) - before
    return {"seconds": round(clock, 2), "cpu_seconds": round(processor, 2)}, result


def ours(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, object]:
    seconds, texts = timed(compared, predictions, references, tokenised=False)
    found: dict[str, object] = {"tokenise": seconds}
    metrics: dict[str, Callable[..., Scores]] = {"cider": cider, "bleu": bleu, "rouge_l": rouge_l}
    for name, metric in metrics.items():
        seconds, scores = timed(metric, *texts, tokenised=True)
        found[name] = seconds | {"score": scores.score}
    found["tokenise and cider"] = timed(cider, predictions, references)[0]
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return found


def peer(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, object] | None:
    """The same by pycocoevalcap; None where it is not installed."""
    try:
        from pycocoevalcap.bleu.bleu import Bleu
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.rouge.rouge import Rouge
        from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
    except ImportError:
        return None
    tokeniser = PTBTokenizer()
    parts = (references, [[text] for text in predictions])
    told = [{n: [{"caption": text} for text in texts] for n, texts in enumerate(part)} for part in parts]
    seconds, (gts, res) = timed(lambda: [tokeniser.tokenize(part) for part in told])
    found: dict[str, object] = {"tokenise": seconds}
    for name, metric in (("cider", Cider()), ("bleu", Bleu(4)), ("rouge_l", Rouge())):
        seconds, (score, _) = timed(metric.compute_score, gts, res)
        found[name] = seconds | {"score": float(score[-1] if name == "bleu" else score)}
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--images", type=int, default=40_504)
    arguments.add_argument("--peer", action="store_true", help="also run pycocoevalcap")
    arguments.add_argument("--write", action="store_true", help="save the result")
    given = arguments.parse_args()
    made = captions(given.images)
    figures = {"images": given.images, "captions": given.images * 6, "ours": ours(*made)}
    report("caption_metrics", figures | ({"pycocoevalcap": peer(*made)} if given.peer else {}))


if __name__ == "__main__":
    main()
