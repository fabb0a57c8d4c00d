"""A mixture as a run would draw it, and the difference of two mixtures, as rows for a table or JSON."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ib_data.mixtures.spec.built_members import Source
from ib_data.mixtures.spec.mixture import Member, Mixture, StageSpec
from ib_data.mixtures.spec.weights import drawn_samples, expected_samples, stage_weights, weights_under

# A drawn share may differ this much from the weight without a mention: slots are whole numbers.
_APART = 0.01
PLAIN_RULES = ("sqrt", "proportional", "uniform")


def member_rows(mixture: Mixture, found: Mapping[str, Source], num_samples: int) -> list[dict[str, Any]]:
    """A row per member: its share of `num_samples` positions, the shares under the plain rules, and what is built.

    `weight`, `drawn` and `samples` cover all stages of the run. `drawn` is the share by whole slots, at least one slot
    even for a tiny weight. `epochs` are over what is built, or over the pinned size if nothing is. `built` has the unit
    of `size`, and `differs` is built minus pinned; both are None if nothing is built.
    """
    samples = expected_samples(mixture, num_samples)
    drawn = drawn_samples(mixture, num_samples)
    plain = {rule: weights_under(mixture, rule) for rule in PLAIN_RULES}
    return [
        {
            "member": name,
            "task": source.card.task if source.card else None,
            "size": source.member.size,
            "counts": source.member.counts,
            "cap": source.member.cap,
            "scale": source.member.scale,
            "weight": samples[name] / num_samples,
            "drawn": drawn[name] / num_samples,
            **{rule: shares[name] for rule, shares in plain.items()},
            "samples": round(samples[name]),
            "epochs": samples[name] / source.epoch_size(mixture.render.turns),
            "built": source.num_built_as_pinned,
            "differs": None if (built := source.num_built_as_pinned) is None else built - source.member.size,
        }
        for name, source in found.items()
    ]


def drawn_apart(rows: list[dict[str, Any]], num_samples: int) -> list[str]:
    """A phrase for each of `member_rows` whose drawn share differs from its weight by more than a hundredth."""
    return [
        f"{row['member']} is drawn {row['drawn'] * num_samples:,.0f} times instead of {row['samples']:,}, "
        f"a share of {row['drawn']:.3g} instead of {row['weight']:.3g}"
        for row in rows
        if abs(row["drawn"] - row["weight"]) > _APART * row["weight"]
    ]


def stage_rows(mixture: Mixture) -> list[dict[str, Any]]:
    """A row per stage: start, rule, exponent and weights."""
    stages = zip(mixture.in_stages(), stage_weights(mixture), strict=True)
    return [
        {"start": start, "rule": stage.rule, "exponent": stage.exponent, "weights": share}
        for (start, stage), (_, share) in stages
    ]


def bar(value: float, largest: float, width: int = 24) -> str:
    """`value` as a bar of `#`: `width` of them for `largest`, and at least one for anything above 0."""
    return "#" * max(round(width * value / largest), 1) if value > 0 else ""


def differences(a: Mixture, b: Mixture) -> list[str]:
    """The differences apart from members: rule, exponent, stages, rendering, order."""
    pairs = [("rule", a.rule, b.rule), ("exponent", a.exponent, b.exponent)]
    pairs += [(f"render.{f.name}", getattr(a.render, f.name), getattr(b.render, f.name)) for f in fields(a.render)]
    pairs += [("stages", _stages(a), _stages(b))]
    found = [_change(name, of_a, of_b) for name, of_a, of_b in pairs if of_a != of_b]
    common = set(a.names) & set(b.names)
    if [name for name in a.names if name in common] != [name for name in b.names if name in common]:
        found.append("the members are in another order, which changes the stream but no weight")
    return found


def compared_rows(
    a: Mixture, b: Mixture, found: tuple[Mapping[str, Source], Mapping[str, Source]], num_samples: int
) -> list[dict[str, Any]]:
    """A row for each member of either mixture, the largest change of weight first; an absent member has weight 0.

    `change` says what the specs give differently for the member; `ratio` is weight B over weight A.
    """
    rows = []
    samples = expected_samples(a, num_samples), expected_samples(b, num_samples)
    of_a, of_b = ({member.name: member for member in mixture.members} for mixture in (a, b))
    for name in dict.fromkeys((*a.names, *b.names)):
        in_a, in_b = (of_run.get(name, 0.0) / num_samples for of_run in samples)
        epochs = (
            of_run[name] / sources[name].epoch_size(mixture.render.turns) if name in sources else None
            for mixture, of_run, sources in zip((a, b), samples, found, strict=True)
        )
        row: dict[str, Any] = {"member": name, "change": _member_change(of_a.get(name), of_b.get(name))}
        row |= {"weight_a": in_a, "weight_b": in_b, "ratio": in_b / in_a if in_a and in_b else None}
        rows.append(row | dict(zip(("epochs_a", "epochs_b"), epochs, strict=True)))
    return sorted(rows, key=lambda row: -abs(row["weight_b"] - row["weight_a"]))


def _member_change(a: Member | None, b: Member | None) -> str:
    if a is None or b is None:
        return "only in B" if a is None else "only in A"
    pairs = [(f.name, getattr(a, f.name), getattr(b, f.name)) for f in fields(Member)]
    return "; ".join(_change(name, of_a, of_b) for name, of_a, of_b in pairs if of_a != of_b)


def _change(name: str, a: object, b: object) -> str:
    return f"{name} {_text(a)} -> {_text(b)}"


def _text(value: object) -> str:
    if isinstance(value, int | float):
        return f"{value:,}"
    return "none" if value is None else str(value)


def _stages(mixture: Mixture) -> str | None:
    """The stages of a spec, in one line."""
    return "; ".join(_stage(stage) for stage in mixture.stages) or None


def _stage(stage: StageSpec) -> str:
    parts = [
        f"{key} {value}" for key, value in (("rule", stage.rule), ("exponent", stage.exponent)) if value is not None
    ]
    parts += [f"{name} x {scale:g}" for name, scale in stage.scales.items()]
    return f"from {stage.start:,}: {', '.join(parts)}"
