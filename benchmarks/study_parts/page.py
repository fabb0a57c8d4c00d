"""docs/study.md: every figure comes from the results."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from ib_data.replacing import replacing
from ib_data.strict import Table, parse_toml
from study_parts.findings import FINDINGS, Difference, Finding, compared, comparisons, values_of, verdict
from study_parts.plots import plot
from study_parts.results import Results, mean_of

WHY = Path(__file__).with_name("why.toml")
_HEAD = """# The paper's findings in the miniature

InstructBLIP's paper (arXiv 2305.06500) makes five claims about instruction tuning. This page tries each of them in the
[miniature](training.md), with both families of language models. Figures and plots are written by one command, which
continues where it was stopped:

```
python benchmarks/study.py
```

What is trained and evaluated is in `benchmarks/study.toml`, which was fixed before the final seeds ran. Scores are
the official metrics times 100 on at most {cases} cases of a dataset, always the same ones; a mean over datasets has
CIDEr in it, as the paper's has. Differences are paired by seed: where their mixtures are the same, both arms of a
seed see the same data in the same order. Intervals are 95 % bootstrap intervals over seeds, widened for their small
number; they say nothing about other cases or datasets. A finding holds if all of its intervals are above 0, does not
hold if one is below 0, and is undecided otherwise.
"""


def write_page(results: Results, page: Path) -> None:
    """Write the page and, beside it in a folder of its name, the plots of what there are results for."""
    plots = page.with_suffix("")
    text = "\n".join(_lines(results, plots))
    page.parent.mkdir(parents=True, exist_ok=True)
    with replacing(page) as part:
        part.write_text(text + "\n", encoding="utf-8")


def _lines(results: Results, plots: Path) -> Iterator[str]:
    why = Table.of(parse_toml(WHY.read_text(encoding="utf-8")), "study", WHY.name)
    why.only([str(finding.number) for finding in FINDINGS])
    yield _HEAD.format(cases=results.plan.cases)
    yield from _missing(results)
    yield "## Findings\n"
    yield from _table(("finding", *results.plan.families), [_overview(results, finding) for finding in FINDINGS])
    for finding in FINDINGS:
        yield f"## {finding.number}. {finding.title}\n"
        yield from _finding(results, finding, plots)
        if sentence := why.get(str(finding.number), str, ""):
            yield f"{sentence}\n"
    yield "## Scores\n"
    yield from _scores(results)
    yield "## Cost\n"
    yield from _cost(results)


def _missing(results: Results) -> Iterator[str]:
    """A line that says which runs are missing."""
    if results.missing:
        names = [cell.name for cell in results.missing]
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        whole = len(names) + len(results.of)
        yield f"**Not complete: {len(names)} of {whole} runs are missing ({shown}).**\n"


def _overview(results: Results, finding: Finding) -> list[str]:
    found = (comparisons(results, finding, family).values() for family in results.plan.families)
    return [f"{finding.number}. {finding.title}", *(verdict(list(one)) for one in found)]


def _finding(results: Results, finding: Finding, plots: Path) -> Iterator[str]:
    plan, rows, shown = results.plan, [], {}
    for family in plan.families:
        found = comparisons(results, finding, family)
        rows += [[family, f"{finding.arm} over {name}", *_cells(one)] for name, one in found.items()]
        shown[family] = {f"over {name}": one for name, one in found.items() if one}
    yield from _table(("family", "compared", "difference", "interval", "seeds", "verdict"), rows)
    yield from _ways(results, finding)
    details = {family: _details(results, finding, family) for family in plan.families}
    rows = [[f, name, *_cells(one)] for f, found in details.items() for name, one in found.items()]
    if rows:
        yield from _table(("family", "also", "difference", "interval", "seeds", "verdict"), rows)
        for family, found in details.items():
            shown[family] |= {name: one for name, one in found.items() if one}
    if any(shown.values()):
        file = plots / f"finding-{finding.number}.svg"
        plot(file, finding.title, shown)
        yield f"![{finding.title}]({plots.name}/{file.name})\n"


def _details(results: Results, finding: Finding, family: str) -> dict[str, Difference | None]:
    """What is told beside the comparisons that decide: held-in, and datasets one by one."""
    plan = results.plan
    if plan.arms[finding.arm].points:
        return {}
    found = {}
    for other in finding.others:
        arms = finding.arm, other
        found[f"held-in, over {other}"] = compared(results, family, arms, plan.held_in)
        if finding.by_dataset:
            found |= {name: compared(results, family, arms, (name,)) for name in (*plan.held_in, *plan.held_out)}
    return found


def _ways(results: Results, finding: Finding) -> Iterator[str]:
    """Which way of asking counts for arms that were evaluated in several."""
    words = {
        "card": "with the instruction of the card",
        "own": "as it was trained, without an instruction",
        "unaware": "with the instruction hidden from the Q-Former",
    }
    for arm in (finding.arm, *finding.others):
        if len(results.plan.arms[arm].ways) > 1:
            chosen = [
                f"{family} {words[results.way(family, arm)]}"
                for family in results.plan.families
                if results.seeds(family, arm)
            ]
            if chosen:
                yield f"{arm} is asked in the way that is better for it on held-out: {', '.join(chosen)}.\n"


def _cells(one: Difference | None) -> list[str]:
    if one is None:
        return ["-", "-", "0", "missing"]
    low_high = f"{one.interval[0]:+.1f} to {one.interval[1]:+.1f}" if one.interval else "-"
    return [f"{one.mean:+.1f}", low_high, str(len(one.of_seed)), one.verdict]


def _scores(results: Results) -> Iterator[str]:
    """The mean scores of each arm over its seeds, with images and with exchanged ones."""
    plan = results.plan
    for family in plan.families:
        arms = [name for name, arm in plan.arms.items() if not arm.points and results.seeds(family, name)]
        if not arms:
            continue
        yield f"### {family}\n"
        groups = [("mean of held-in", plan.held_in), ("mean of held-out", plan.held_out)]
        groups += [(name, (name,)) for name in (*plan.held_in, *plan.held_out)]
        blind = [name for name in arms if plan.arms[name].blind]
        header = ("mean over seeds", *arms, *(f"{name}, images exchanged" for name in blind))
        rows = [
            [
                title,
                *(_mean(results, family, name, datasets, "scores") for name in arms),
                *(_mean(results, family, name, datasets, "blind") for name in blind),
            ]
            for title, datasets in groups
        ]
        yield from _table(header, rows)
    yield from _curves(results)


def _mean(results: Results, family: str, arm: str, datasets: Sequence[str], kind: str) -> str:
    way = results.way(family, arm)
    ones = [results.one(family, arm, seed) for seed in results.plan.seeds]
    return f"{100 * fmean(mean_of(one[kind][way], datasets) for one in ones if one):.1f}"


def _curves(results: Results) -> Iterator[str]:
    """The scores of fine-tuning after each number of steps."""
    plan, rows = results.plan, []
    points = sorted({point for arm in plan.arms.values() for point in arm.points})
    for family in plan.families:
        for name, arm in plan.arms.items():
            seeds = results.seeds(family, name)
            if arm.points and seeds:
                curve = [fmean(values_of(results, family, name, arm.datasets, f"step {p}", seeds)) for p in arm.points]
                by_point = dict(zip(arm.points, curve, strict=True))
                rows.append([family, name, *(f"{by_point[p]:.1f}" if p in by_point else "-" for p in points)])
    if rows:
        yield "### Fine-tuning\n"
        yield from _table(("family", "arm", *(f"step {point}" for point in points)), rows)


def _cost(results: Results) -> Iterator[str]:
    """CPU seconds of a run; those that were stopped and continued are left out."""
    rows = []
    for family in results.plan.families:
        for arm in results.plan.arms:
            ones = [one for (of, name, _), one in results.of.items() if (of, name) == (family, arm)]
            whole = [one["cpu_s"] for one in ones if not one.get("is_resumed")]
            if whole:
                means = [fmean(one[key] for one in whole) for key in ("train", "evaluate")]
                rows.append([family, arm, *(f"{value:.0f}" for value in means)])
    yield "CPU seconds of a run on one thread, mean over seeds.\n"
    yield from _table(("family", "arm", "training", "evaluation"), rows)
    seconds = {(family, arm): float(train) + float(evaluate) for family, arm, train, evaluate in rows}
    minutes = [
        [finding.title, *(_minutes(results, finding, family, seconds) for family in results.plan.families)]
        for finding in FINDINGS
    ]
    yield "CPU minutes of one seed of a finding, runs that it shares with others included.\n"
    yield from _table(("finding", *results.plan.families), minutes)


def _minutes(results: Results, finding: Finding, family: str, seconds: Mapping[tuple[str, str], float]) -> str:
    arms = {finding.arm, *finding.others}
    arms |= {after for arm in arms if (after := results.plan.arms[arm].after)}
    if any((family, arm) not in seconds for arm in arms):
        return "-"
    return f"{sum(seconds[family, arm] for arm in arms) / 60:.1f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table, and an empty line."""
    yield "| " + " | ".join(header) + " |"
    yield "|" + " --- |" * len(header)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""
