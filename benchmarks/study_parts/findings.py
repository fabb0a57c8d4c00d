"""What the paper claims, as differences between two arms, paired by seed, each with a bootstrap interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

import numpy as np

from ib_data.evaluation.metrics.scores import Scores
from ib_data.evaluation.report.statistics import Images, interval
from study_parts.results import Results, mean_of

DRAWS = 20_000
# Student's t at 0.975, by degrees of freedom from 1; from 10 on the last one is kept, which is a little too wide.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A claim: `arm` scores above each of `others`. `points`: at each of these points of both arms."""

    number: int
    title: str
    arm: str
    others: tuple[str, ...]
    by_dataset: bool = False


FINDINGS = (
    Finding(number=1, title="Tuning lifts the BLIP-2 start on held-out datasets", arm="base", others=("start",)),
    Finding(
        number=2,
        title="A Q-Former that reads the instruction is better",
        arm="base",
        others=("not-aware",),
        by_dataset=True,
    ),
    Finding(
        number=3,
        title="Square-root sampling is better than uniform and proportional",
        arm="base",
        others=("uniform", "proportional"),
    ),
    Finding(
        number=4,
        title="Instruction tuning is better on held-out than multitask training",
        arm="base",
        others=("multitask", "multitask-dataset"),
    ),
    Finding(number=5, title="A tuned model is the better start for fine-tuning", arm="finetune-tuned",
            others=("finetune-start",)),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Arm less other over the seeds that both have: `of_seed` in their order, times 100 as all scores here.

    `interval` is None for fewer than two seeds.
    """

    of_seed: tuple[float, ...]
    mean: float
    interval: tuple[float, float] | None

    @property
    def verdict(self) -> str:
        """Whether the interval is above 0, below 0, or neither."""
        if self.interval is None:
            return "too few seeds"
        low, high = self.interval
        return "holds" if low > 0 else "does not hold" if high < 0 else "undecided"


def difference(of_seed: Sequence[float]) -> Difference:
    """The mean difference and its interval.

    Seeds are drawn with repetition. With few seeds a percentile interval is too narrow; its level is widened so that it
    is right for normal values (expanded percentiles: Hesterberg, arXiv 1411.5279). With five seeds it
    nearly spans them.
    """
    values, num = np.asarray(of_seed, dtype=np.float64), len(of_seed)
    found = None
    if num > 1:
        t = _T[min(num - 1, len(_T)) - 1]
        tail = NormalDist().cdf(-((num / (num - 1)) ** 0.5) * t)
        scores = Scores(score=float(values.mean()), values=values)
        found = interval(scores, Images.of(range(num)), draws=DRAWS, level=1 - 2 * tail)
    return Difference(of_seed=tuple(of_seed), mean=fmean(of_seed), interval=found)


def values_of(
    results: Results, family: str, arm: str, datasets: Sequence[str], way: str, seeds: Sequence[int]
) -> list[float]:
    """The mean score over datasets, times 100, of an arm at each seed."""
    ones = (results.one(family, arm, seed) for seed in seeds)
    return [100 * mean_of(one["scores"][way], datasets) for one in ones if one is not None]


def compared(
    results: Results, family: str, arms: tuple[str, str], datasets: Sequence[str], ways: tuple[str, str] | None = None
) -> Difference | None:
    """The difference between two arms on the mean over datasets; None if no seed has both."""
    seeds = results.seeds(family, *arms)
    if not seeds:
        return None
    chosen = ways or (results.way(family, arms[0]), results.way(family, arms[1]))
    a, b = (values_of(results, family, arm, datasets, way, seeds) for arm, way in zip(arms, chosen, strict=True))
    return difference([x - y for x, y in zip(a, b, strict=True)])


def comparisons(results: Results, finding: Finding, family: str) -> dict[str, Difference | None]:
    """The differences that decide a finding, by what is compared."""
    found = {}
    for other in finding.others:
        arms = finding.arm, other
        if points := results.plan.arms[other].points:
            datasets = results.plan.arms[other].datasets
            for point in points:
                way = f"step {point}"
                found[f"{other}, {way}"] = compared(results, family, arms, datasets, (way, way))
        else:
            found[other] = compared(results, family, arms, results.plan.held_out)
    return found


def verdict(differences: Sequence[Difference | None]) -> str:
    """Of a finding: it holds if all of its comparisons do, and does not if one of them is the other way round."""
    said = ["missing" if one is None else one.verdict for one in differences]
    for word in ("missing", "too few seeds", "does not hold", "undecided"):
        if word in said:
            return word
    return "holds"
