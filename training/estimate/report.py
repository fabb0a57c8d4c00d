"""The report of a dry run as text."""

from collections.abc import Iterator

from ib_data.console import seconds_text, size_text, table
from ib_data.training.estimate.dry_run import REACHED, TYPICAL_INSTRUCTION, TYPICAL_TARGET, Cost, DryRun, ModelPlan


def report_text(found: DryRun) -> str:
    """The report, in blocks separated by empty lines."""
    values = found.config
    blocks = [
        table(("key", "value"), [(key, _toml(value)) for key, value in values.items()]),
        "\n".join(_model(found.model)),
        f"{values['steps']:,} steps of {values['batch_size']:,} positions: {found.positions:,} positions\n"
        + _members(found),
    ]
    if found.cost:
        blocks.append("\n".join(_cost(found.cost)))
    missing = [f"not built: run `{command}`" for command in found.missing]
    problems = [f"problem: {problem}" for problem in found.problems]
    blocks.append("\n".join([*problems, *missing, "dry run: nothing was trained or written"]))
    return "\n\n".join(blocks)


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _model(model: ModelPlan) -> Iterator[str]:
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
    if cost.typical.total > cost.device_bytes:
        yield f"the device has {size_text(cost.device_bytes)}: lower micro_batch_size, or shard the language model"
    else:
        yield f"the device has {size_text(cost.device_bytes)}"
    full = ", every image with all its annotations" if cost.annotations_per_image > 1 else ""
    yield f"{cost.flops / 1e12:,.2f} TFLOP a step{full}"
    yield f"measured matrix ceiling of a process: {cost.ceiling / 1e12:,.2f} TFLOP/s"
    yield f"{_duration(cost.hours)} for all steps at {REACHED:.0%} of the ceiling, without waiting for data"


def _duration(hours: float) -> str:
    return f"{hours / 24:,.1f} days" if hours > 48 else seconds_text(hours * 3600)
