"""Weights from pinned sizes, and integer quotas from weights."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ib_data.errors import IbDataError
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.spec.weights import quotas, weights, weights_under


def mixture(
    *sizes: int, rule: str = "sqrt", exponent: float | None = None, scales: dict[int, float] | None = None
) -> Mixture:
    members = tuple(
        Member(
            dataset=f"d{i}",
            split="train",
            size=size,
            scale=(scales or {}).get(i, 1.0),
            weight=float(size) if rule == "fixed" else None,
        )
        for i, size in enumerate(sizes)
    )
    return Mixture(name="m", rule=rule, members=members, exponent=exponent)


@pytest.mark.parametrize(
    ("rule", "exponent", "expected"),
    [
        ("sqrt", None, (0.2, 0.8)),  # sqrt of 1 and 16 is 1 and 4
        ("proportional", None, (1 / 17, 16 / 17)),
        ("uniform", None, (0.5, 0.5)),
        ("temperature", 0.25, (1 / 3, 2 / 3)),  # 16 ** 0.25 is 2
        ("temperature", 0.0, (0.5, 0.5)),
        ("temperature", 1.0, (1 / 17, 16 / 17)),
        ("fixed", None, (1 / 17, 16 / 17)),  # the weights given are 1 and 16
    ],
)
def test_each_rule_on_sizes_1_and_16(rule: str, exponent: float | None, expected: tuple[float, float]) -> None:
    assert tuple(weights(mixture(1, 16, rule=rule, exponent=exponent)).values()) == pytest.approx(expected)


def test_a_scale_multiplies_what_the_rule_gives() -> None:
    assert weights(mixture(4, 4, scales={1: 3.0})) == pytest.approx({"d0": 0.25, "d1": 0.75})


@pytest.mark.parametrize(
    ("rule", "expected"), [("proportional", (1 / 5, 4 / 5)), ("sqrt", (1 / 3, 2 / 3)), ("uniform", (0.5, 0.5))]
)
def test_at_most_the_cap_of_a_size_counts(rule: str, expected: tuple[float, float]) -> None:
    spec = mixture(1, 16, rule=rule)
    capped = replace(spec, members=(spec.members[0], replace(spec.members[1], cap=4)))
    assert tuple(weights(capped).values()) == pytest.approx(expected)
    above = replace(spec, members=tuple(replace(member, cap=1000) for member in spec.members))
    assert weights(above) == weights(spec)
    assert weights_under(capped, "proportional") == pytest.approx({"d0": 1 / 17, "d1": 16 / 17})


def test_the_square_root_law_without_scales_is_the_papers() -> None:
    spec = load_mixture("instructblip")
    roots = {m.name: math.sqrt(m.size) for m in spec.members}
    assert weights_under(spec, "sqrt") == pytest.approx({k: v / sum(roots.values()) for k, v in roots.items()})
    assert weights_under(spec, "sqrt")["web_capfilt"] == pytest.approx(0.457, abs=0.001)


def test_quotas_by_largest_remainder() -> None:
    # 4.54, 4.54 and 0.90 of 10 slots: d2 is lifted to 1, and d0 stands first among equal remainders.
    assert quotas(mixture(5, 5, 1, rule="proportional"), 10) == {"d0": 5, "d1": 4, "d2": 1}
    assert quotas(mixture(1, 1, 1, rule="uniform"), 8) == {"d0": 3, "d1": 3, "d2": 2}


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=30), st.sampled_from(["sqrt", "proportional", "uniform"]))
def test_quotas_sum_up_and_leave_nobody_out(sizes: list[int], rule: str) -> None:
    spec = mixture(*sizes, rule=rule)
    found, share = quotas(spec, 1024), weights(spec)
    assert sum(found.values()) == 1024
    assert min(found.values()) >= 1
    if min(share.values()) * 1024 >= 1:
        assert all(abs(found[name] - share[name] * 1024) < 1 for name in found)


def test_a_tiny_member_still_gets_a_slot_and_one_of_scale_0_none() -> None:
    assert quotas(mixture(1, 10**12, rule="proportional"))["d0"] == 1
    assert quotas(mixture(5, 5, scales={0: 0.0}), 16) == {"d0": 0, "d1": 16}


def test_more_members_than_slots_are_refused() -> None:
    with pytest.raises(IbDataError, match="3 members do not fit into 2 slots"):
        quotas(mixture(1, 1, 1), 2)


def test_leaving_members_out_shares_their_weight() -> None:
    assert weights(mixture(1, 16, 16).only(["d0", "d2"])) == pytest.approx({"d0": 0.2, "d2": 0.8})


def test_the_quotas_of_instructblip_are_pinned() -> None:
    assert list(quotas(load_mixture("instructblip")).values()) == [
        6064, 30002, 2669, 5366, 1147, 526, 7204, 5366, 764, 1052, 1918, 1228, 2230,
    ]  # fmt: skip
