"""The report of a dry run as text."""

from collections.abc import Iterator

from ib_data.console import count_text, size_text, table
from ib_data.training.estimate.dry_run import REACHED, TYPICAL_INSTRUCTION, TYPICAL_TARGET, Cost, DryRun, ModelPlan


def report_text(found: DryRun) -> str:
    """The report, in blocks separated by empty lines."""
    values = found.config
    blocks = [
        table(("key", "value"), [(key, _toml(value)) for key, value in values.items()]),
        "\n".join(_model(found.model, is_aware=values["instruction_aware"])),
        f"{values['steps']:,} steps of {values['batch_size']:,} positions: {found.positions:,} positions\n"
        + _members(found),
    ]
    if found.cost:
        blocks.append("\n".join(_cost(found.cost)))
        if values["score_every"]:
            asked = f"{values['scoring_samples']:,} cases per dataset every {values['score_every']:,} steps"
            blocks[-1] += f"\nscoring ({asked}) is not counted: its time depends on the lengths of answers"
    missing = [f"not built: run `{command}`" for command in found.missing]
    problems = [f"problem: {problem}" for problem in found.problems]
    blocks.append("\n".join([*problems, *missing, "dry run: nothing was trained or written"]))
    return "\n\n".join(blocks)


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _model(model: ModelPlan, *, is_aware: bool) -> Iterator[str]:
    yield f"model {model.name}: " + (f"sizes from {model.sizes_from}" if model.sizes_from else "sizes not known yet")
    if model.remedy:
        yield model.remedy
    if not model.parameters:
        return
    rows = [
        (part, count, trained, "trained" if trained == count else "partly trained" if trained else "frozen")
        for part, count in model.parameters.items()
        for trained in (model.trained.get(part, 0),)
    ]
    total = ("total", sum(model.parameters.values()), sum(model.trained.values()), None)
    yield table(("part", "parameters", "trained", "state"), [*rows, total])
    if idle := model.parameters["qformer"] - model.trained["qformer"]:
        what = "last layer's text feed-forward" if is_aware else "text embeddings and text feed-forwards"
        yield f"{idle:,} parameters of the {what} feed nothing and stay frozen"


def _members(found: DryRun) -> str:
    head = ("member", "weight", "positions", "epochs", "pinned", "built")
    rows = [
        (row["member"], round(row["weight"], 4), row["positions"], _rounded(row["epochs"]), row["pinned"], row["built"])
        for row in found.members
    ]
    return table(head, rows)


def _rounded(epochs: float | None) -> float | None:
    return None if epochs is None else round(epochs, 2)


def _cost(cost: Cost) -> Iterator[str]:
    processes = "1 process" if cost.world == 1 else f"{cost.world} processes"
    yield f"on {cost.device}, {processes}, {cost.micro_batch:,} annotations per forward (estimates):"
    typical = f"rows of {TYPICAL_INSTRUCTION} and {TYPICAL_TARGET} tokens"
    yield table(
        ("memory with", "frozen weights", "trained and optimiser", "activations", "total"),
        [
            (name, *map(size_text, (of.frozen_weights, of.trained_weights, of.activations, of.total)))
            for name, of in ((typical, cost.typical), ("all rows at the limits", cost.longest))
        ],
    )
    yield _verdict(cost)
    full = ", every image with all its annotations" if cost.annotations_per_image > 1 else ""
    yield f"{cost.flops / 1e12:,.2f} TFLOP a step{full}, with {typical}; docs/reproduce.md takes the mixtures' lengths"
    ceiling = f"{cost.ceiling / 1e12:,.2f} TFLOP/s"
    yield f"matrix ceiling of a process: {ceiling}, measured now; it depends on what else runs here"
    yield f"{_duration(cost.hours)} for all steps at {REACHED:.0%} of the ceiling, without waiting for data"


def _verdict(cost: Cost) -> str:
    """Whether the memory suffices, and what to do if not. Processes on a CPU share its memory: sharding saves none."""
    typical, longest, has = cost.typical.total, cost.longest.total, size_text(cost.device_bytes)
    is_cpu = cost.device == "cpu"
    if cost.typical.frozen_weights > cost.device_bytes:
        remedy = "shard the language model over more processes, or take a larger device"
        remedy = "take a machine with more memory" if is_cpu else remedy
        return f"does not fit: the frozen weights alone are {size_text(cost.typical.frozen_weights)} of {has}; {remedy}"
    remedy = "lower micro_batch_size" if is_cpu else "lower micro_batch_size, or shard the language model"
    if typical > cost.device_bytes:
        return f"does not fit: typical rows need {size_text(typical)} of {has}; {remedy}"
    if longest > cost.device_bytes:
        return f"fits for typical rows ({size_text(typical)} of {has}), not at the token limits ({size_text(longest)})"
    return f"fits, also at the token limits ({size_text(longest)} of {has})"


def _duration(hours: float) -> str:
    """`about 13 hours`: two figures, in the largest unit that there are two of."""
    for unit, length in (("year", 24 * 365), ("day", 24), ("hour", 1), ("minute", 1 / 60)):
        if hours / length >= 2:
            return f"about {count_text(round(float(f'{hours / length:.2g}')), unit)}"
    return "under 2 minutes"
