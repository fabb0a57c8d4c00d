"""From pinned sizes to shares, and from shares to integer quotas, which define the order."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext

from ib_data.errors import DataError
from ib_data.mixtures.order.schedule import Stage
from ib_data.mixtures.spec.mixture import Member, Mixture

# Slots of the master table. A quota is off by less than one slot: 0.1 % of the smallest share of 26 sqrt-weighted sets.
TOTAL_QUOTA = 65_536
_TRAPS = [InvalidOperation, DivisionByZero, Overflow]
# A separate context, so that the program's precision, rounding and traps do not matter.
_EXACT = Context(prec=40, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, clamp=0, flags=[], traps=_TRAPS)


def weights(mixture: Mixture, position: int = 0) -> dict[str, float]:
    """Each member's share of the positions in the stage at `position`, by name; the shares sum to 1.

    They depend only on pinned sizes. The default rule is p_d = sqrt(S_d) / sum of sqrt(S_i) (arXiv 2305.06500, section
    2.3), times the member's scale.
    """
    start = max((start for start in mixture.starts if start <= position), default=0)
    return _floats(_shares(mixture.at(position), start))


def weights_under(mixture: Mixture, rule: str) -> dict[str, float]:
    """The shares of the pinned sizes under `sqrt`, `proportional` or `uniform`, without scales and caps."""
    members = tuple(replace(member, scale=1.0, weight=None, cap=None) for member in mixture.members)
    return weights(replace(mixture, rule=rule, exponent=None, members=members, stages=()))


def expected_samples(mixture: Mixture, num_samples: int) -> dict[str, float]:
    """The expected number of each member's draws in the first `num_samples` positions, summed over the stages."""
    return _summed(mixture, [share for _, share in stage_weights(mixture)], num_samples)


def drawn_samples(mixture: Mixture, num_samples: int) -> dict[str, float]:
    """Like `expected_samples`, from the quotas: a member with a weight below one slot is drawn more often.

    The stream matches these numbers within 1 at the edge of every block, and within 1 more for each stage after the
    first, since each has its own table.
    """
    shares = [{name: q / TOTAL_QUOTA for name, q in stage.quotas.items()} for stage in stage_quotas(mixture)]
    return _summed(mixture, shares, num_samples)


def stage_weights(mixture: Mixture) -> tuple[tuple[int, dict[str, float]], ...]:
    """The start of each stage, and its weights."""
    return tuple((start, _floats(_shares(stage, start))) for start, stage in mixture.in_stages())


def stage_quotas(mixture: Mixture) -> tuple[Stage, ...]:
    """The start and quotas of each stage, for the schedule; the first starts at 0."""
    return tuple(Stage(start, _quotas(stage, start, TOTAL_QUOTA)) for start, stage in mixture.in_stages())


def drawn_names(mixture: Mixture) -> tuple[str, ...]:
    """The members that some stage draws from; the others need not be built."""
    stages = stage_quotas(mixture)
    return tuple(name for name in mixture.names if any(stage.quotas[name] for stage in stages))


def quotas(mixture: Mixture, total: int = TOTAL_QUOTA) -> dict[str, int]:
    """Each member's slots out of `total` in the first stage, by largest remainder; 0 for a member of weight 0.

    A member with a weight below one slot gets one. Computed in decimal with 40 digits, so that no processor's rounding
    can change the order of a stream. Raises DataError if `total` is smaller than the number of members.
    """
    return _quotas(mixture.at(0), 0, total)


def _quotas(mixture: Mixture, start: int, total: int) -> dict[str, int]:
    shares = {name: share for name, share in _shares(mixture, start).items() if share}
    if len(shares) > total:
        raise DataError(mixture.name, f"{len(shares)} members do not fit into {total} slots")
    small: set[str] = set()
    while True:
        # A member too small for one slot takes one; the others share the rest, which may make another one too small.
        rest = {name: share for name, share in shares.items() if name not in small}
        left = total - len(small)
        with localcontext(_EXACT):
            scale = left / sum(rest.values(), Decimal(0))
            ideal = {name: share * scale for name, share in rest.items()}
        too_small = {name for name, value in ideal.items() if value < 1}
        if not too_small:
            break
        small |= too_small
    found = {**dict.fromkeys(mixture.names, 0), **dict.fromkeys(small, 1), **_largest_remainder(ideal, left)}
    assert sum(found.values()) == total
    return found


def _largest_remainder(ideal: Mapping[str, Decimal], total: int) -> dict[str, int]:
    floors = {name: int(value) for name, value in ideal.items()}
    with localcontext(_EXACT):
        by_remainder = sorted(ideal, key=lambda name: floors[name] - ideal[name])  # stable: ties in the spec's order
    for name in by_remainder[: total - sum(floors.values())]:
        floors[name] += 1
    return floors


def _summed(mixture: Mixture, shares: Sequence[Mapping[str, float]], num_samples: int) -> dict[str, float]:
    """The samples of each member in a run, from its share in each stage."""
    found = dict.fromkeys(mixture.names, 0.0)
    ends = (*mixture.starts[1:], num_samples)
    for start, end, of_stage in zip(mixture.starts, ends, shares, strict=True):
        length = max(min(end, num_samples) - start, 0)
        for name, share in of_stage.items():
            found[name] += share * length
    return found


def _floats(shares: Mapping[str, Decimal]) -> dict[str, float]:
    return {name: float(share) for name, share in shares.items()}


def _shares(mixture: Mixture, start: int) -> dict[str, Decimal]:
    """The shares in the stage that begins at `start`; `mixture` is the mixture in force there."""
    with localcontext(_EXACT):
        raw = {member.name: _by_rule(mixture, member) * Decimal(member.scale) for member in mixture.members}
        total = sum(raw.values(), Decimal(0))
        if not total:
            where = f" from position {start} on" if start else ""
            remedy = f"give one of {', '.join(mixture.names)} a scale and weight above 0 there"
            raise DataError(mixture.name, f"all weights are 0{where}", remedy=remedy)
        return {name: value / total for name, value in raw.items()}


def _by_rule(mixture: Mixture, member: Member) -> Decimal:
    size = Decimal(member.counted_size)
    if mixture.rule == "sqrt":
        return size.sqrt()
    if mixture.rule == "proportional":
        return size
    if mixture.rule == "uniform":
        return Decimal(1)
    if mixture.rule == "temperature":
        return size ** Decimal(mixture.exponent or 0.0)
    assert mixture.rule == "fixed"
    return Decimal(member.weight or 0.0)
