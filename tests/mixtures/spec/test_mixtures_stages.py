"""Stages: weights that change at a position, ranks that continue, and pinned orders."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ib_data.errors import IbDataError
from ib_data.mixtures.order.block_shuffle import BlockShuffle
from ib_data.mixtures.order.schedule import Draw, Schedule, Stage
from ib_data.mixtures.spec.mixture import Member, Mixture, StageSpec
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.spec.weights import drawn_names, drawn_samples, expected_samples, quotas, stage_quotas, weights

SIZES = {"a": 700, "b": 33, "c": 5, "d": 1}
STAGES = [
    Stage(0, {"a": 512, "b": 0, "c": 500, "d": 12}),
    Stage(768, {"a": 0, "b": 300, "c": 200, "d": 12}),
    Stage(2048, {"a": 256, "b": 256, "c": 256, "d": 256}),
]


def staged(seed: int = 0, locality: BlockShuffle | None = None) -> Schedule:
    return Schedule(STAGES, SIZES, seed, locality=locality, block=256)


def mixture(*stages: StageSpec, rule: str = "sqrt") -> Mixture:
    members = (
        Member(dataset="x", split="train", size=100, weight=3.0),
        Member(dataset="y", split="train", size=400, weight=1.0),
        Member(dataset="z", split="train", size=900, scale=0.0, weight=0.0),
    )
    return Mixture(name="m", rule=rule, members=members, stages=stages)


@pytest.mark.parametrize("locality", [None, BlockShuffle(4, 8)])
def test_ranks_go_on_over_stages_and_no_index_repeats_inside_an_epoch(locality: BlockShuffle | None) -> None:
    draws = staged(3, locality).slice(0, 6000)
    for number, size in enumerate(SIZES.values()):
        of_member = draws.member == number
        count = int(of_member.sum())
        assert draws.rank[of_member].tolist() == list(range(count))
        index = draws.index[of_member]
        for start in range(0, count - size + 1, size):
            assert sorted(index[start : start + size].tolist()) == list(range(size))


def test_each_stage_holds_its_own_quotas_and_never_draws_a_member_of_quota_0() -> None:
    member = staged().slice(0, 2048 + 3 * 1024).member
    assert not (member[:768] == 1).any()
    assert not (member[768:2048] == 0).any()
    third = np.bincount(member[2048:], minlength=4)
    assert third.tolist() == [3 * 256] * 4
    for edge in (256, 512, 768):  # within 1 of the share at every block edge from the stage's start on
        held = np.bincount(member[768 : 768 + edge], minlength=4)
        assert all(abs(held[i] * 512 - edge * quota) < 512 for i, quota in enumerate(STAGES[1].quotas.values()))


def test_before_the_first_change_a_staged_order_is_the_plain_one() -> None:
    plain = Schedule(STAGES[:1], SIZES, 0, block=256).slice(0, 768)
    found = staged().slice(0, 768)
    assert found.index.tolist() == plain.index.tolist()
    assert found.member.tolist() == plain.member.tolist()


def test_a_stage_that_changes_nothing_keeps_every_count() -> None:
    """Where a table is cut off at its end the order is the same to the last index."""
    table = {"a": 500, "b": 400, "c": 100, "d": 24}
    plain = Schedule([Stage(0, table)], SIZES, 0, block=256).slice(0, 5000)
    cut = Schedule([Stage(0, table), Stage(2048, table)], SIZES, 0, block=256).slice(0, 5000)
    assert cut.index.tolist() == plain.index.tolist()
    assert cut.rank.tolist() == plain.rank.tolist()


@settings(max_examples=40, deadline=None)
@given(
    st.one_of(st.integers(0, 5000), st.integers(0, 2**40)),
    st.integers(1, 700),
    st.integers(1, 900),
    st.sampled_from([None, BlockShuffle(4, 8)]),
    st.data(),
)
def test_at_is_slice_over_stage_starts(
    start: int, count: int, step: int, locality: BlockShuffle | None, data: st.DataObject
) -> None:
    schedule = staged(1, locality)
    draws = schedule.slice(start, count, step)
    i = data.draw(st.integers(0, count - 1))
    numbers = (int(draws.rank[i]), int(draws.epoch[i]), int(draws.index[i]))
    assert Draw(schedule.names[draws.member[i]], *numbers) == schedule.at(start + i * step)


@pytest.mark.parametrize(
    ("locality", "last", "checksum"),
    [
        (None, Draw("web_capfilt", 457793834164, 32998, 8533115), 4719572819890263),
        (BlockShuffle(), Draw("web_capfilt", 457793834164, 32998, 5821767), 4702993220092495),
    ],
)
def test_orders_with_stages_and_locality_are_pinned(locality: BlockShuffle | None, last: Draw, checksum: int) -> None:
    """A change of any of these is a change of every such order: raise schedule.ALGORITHM with it."""
    spec = load_mixture("instructblip")
    head, flat = quotas(spec), quotas(load_mixture("instructblip-no-balance"))
    stages = [Stage(0, head), Stage(66_560, flat), Stage(999_424, head)]
    schedule = Schedule(stages, {m.name: m.size for m in spec.members}, 0, locality=locality)
    assert schedule.at(10**12) == last
    draws = schedule.slice(0, 200_000)
    assert int(((draws.index * 31 + draws.rank * 7 + draws.member) * (draws.position % 1009 + 1)).sum()) == checksum


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        ([], "position 0"),
        ([Stage(256, {"a": 256})], "position 0"),
        ([Stage(0, {"a": 256}), Stage(100, {"a": 256})], "multiples of 256"),
        ([Stage(0, {"a": 256}), Stage(512, {"a": 256}), Stage(512, {"a": 256})], "starts rise"),
        ([Stage(0, {"a": 256}), Stage(256, {"b": 256})], "other members"),
        ([Stage(0, {"a": 256}), Stage(256, {"a": 100})], "cannot be cut"),
        ([Stage(0, {"a": 256, "x": 0}), Stage(256, {"a": 0, "x": 256})], "without annotations: x"),
    ],
)
def test_stages_that_cannot_be_are_refused(stages: list[Stage], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Schedule(stages, SIZES, 0, block=256)


def test_weights_are_those_of_the_stage_at_a_position() -> None:
    spec = mixture(
        StageSpec(start=1024, scales={"z": 1.0}),
        StageSpec(start=2048, rule="temperature", exponent=1.0),
        StageSpec(start=3072, exponent=0.0),
        StageSpec(start=4096, rule="fixed", scales={"x": 0.5}),
    )
    assert weights(spec) == weights(spec, 1023) == pytest.approx({"x": 1 / 3, "y": 2 / 3, "z": 0.0})
    assert weights(spec, 1024) == pytest.approx({"x": 1 / 6, "y": 2 / 6, "z": 3 / 6})
    assert weights(spec, 2048) == pytest.approx({"x": 1 / 14, "y": 4 / 14, "z": 9 / 14})
    assert weights(spec, 3072) == pytest.approx({"x": 1 / 3, "y": 1 / 3, "z": 1 / 3})
    assert weights(spec, 10**9) == pytest.approx({"x": 0.6, "y": 0.4, "z": 0.0})
    assert [stage.start for stage in stage_quotas(spec)] == [0, 1024, 2048, 3072, 4096]
    assert {sum(stage.quotas.values()) for stage in stage_quotas(spec)} == {65_536}
    assert stage_quotas(spec)[0].quotas == quotas(spec)


def test_expected_samples_are_summed_over_the_stages() -> None:
    spec = mixture(StageSpec(start=1024, rule="uniform", scales={"z": 1.0}))
    assert expected_samples(spec, 3 * 1024) == pytest.approx(
        {"x": 1024 / 3 + 2048 / 3, "y": 2048 / 3 + 2048 / 3, "z": 2048 / 3}
    )
    assert expected_samples(spec, 300) == pytest.approx({"x": 100, "y": 200, "z": 0})


def test_drawn_samples_are_those_of_the_order() -> None:
    spec = mixture(StageSpec(start=65_536, rule="uniform", scales={"z": 1e-6}))
    found = drawn_samples(spec, 2 * 65_536)
    of_member = Schedule(stage_quotas(spec), dict.fromkeys(spec.names, 9), 0).slice(0, 2 * 65_536).member
    assert [found[name] for name in spec.names] == np.bincount(of_member).tolist()
    assert found["z"] == 1
    assert expected_samples(spec, 2 * 65_536)["z"] < 0.1


def test_a_member_of_a_later_stage_is_drawn_one_that_never_comes_is_not() -> None:
    assert drawn_names(mixture()) == ("x", "y")
    assert drawn_names(mixture(StageSpec(start=1024, scales={"z": 1.0}))) == ("x", "y", "z")


def test_leaving_members_out_goes_for_all_stages() -> None:
    spec = mixture(StageSpec(start=1024, scales={"x": 0.5, "z": 1.0})).only(["x", "y"])
    assert spec.stages[0].scales == {"x": 0.5}
    assert weights(spec, 1024) == pytest.approx({"x": 0.2, "y": 0.8})


def test_a_stage_left_without_anything_to_draw_is_refused() -> None:
    spec = mixture(StageSpec(start=1024, scales={"x": 0.0, "y": 0.0, "z": 1.0})).only(["x", "y"])
    with pytest.raises(IbDataError, match="all weights are 0 from position 1024 on; give one of x, y a scale"):
        stage_quotas(spec)
    with pytest.raises(IbDataError, match="all weights are 0 from position 1024 on"):
        weights(spec, 5000)
    assert weights(spec, 1023)
