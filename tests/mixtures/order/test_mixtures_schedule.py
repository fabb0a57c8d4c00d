"""The schedule: exact counts, gapless ranks, no repeat before an epoch ends, and an order that never changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ib_data.mixtures.order.master_table import master_table
from ib_data.mixtures.order.schedule import Draw, Draws, Schedule, Stage
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.spec.weights import quotas

SMALL_QUOTAS = {"a": 500, "b": 499, "c": 24, "d": 1}
SMALL_SIZES = {"a": 700, "b": 33, "c": 5, "d": 1}


def one_stage(table: dict[str, int]) -> list[Stage]:
    return [Stage(0, table)]


def small(seed: int = 0, block: int = 256) -> Schedule:
    return Schedule(one_stage(SMALL_QUOTAS), SMALL_SIZES, seed, block=block)


def instructblip(seed: int = 0) -> Schedule:
    mixture = load_mixture("instructblip")
    return Schedule(one_stage(quotas(mixture)), {m.name: m.size for m in mixture.members}, seed)


def draw_of(schedule: Schedule, draws: Draws, i: int) -> Draw:
    numbers = (int(draws.rank[i]), int(draws.epoch[i]), int(draws.index[i]))
    return Draw(schedule.names[draws.member[i]], *numbers)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=12).filter(any))
def test_every_prefix_of_the_table_is_within_1(counts: list[int]) -> None:
    table, total = master_table(counts), sum(counts)
    assert np.bincount(table, minlength=len(counts)).tolist() == counts
    for label, count in enumerate(counts):
        off = np.cumsum(table == label) * total - np.arange(1, total + 1) * count
        assert np.abs(off).max() < total  # in integers: |held - count * k / total| < 1


def test_every_prefix_of_the_instructblip_table_is_within_1() -> None:
    counts = list(quotas(load_mixture("instructblip")).values())
    table = master_table(counts)
    for label, count in enumerate(counts):
        off = np.cumsum(table == label) * 65_536 - np.arange(1, 65_537) * count
        assert np.abs(off).max() < 65_536


def test_running_counts_are_within_1_at_every_block_edge_and_never_drift() -> None:
    schedule = instructblip(seed=3)
    draws = schedule.slice(0, 3 * 65_536)
    edges = np.arange(1024, 3 * 65_536 + 1, 1024)
    for number, quota in enumerate(quotas(load_mixture("instructblip")).values()):
        held = np.cumsum(draws.member == number)[edges - 1]
        assert np.abs(held * 65_536 - edges * quota).max() < 65_536
    assert np.bincount(draws.member).tolist() == [3 * q for q in quotas(load_mixture("instructblip")).values()]


@pytest.mark.parametrize("seed", [0, 1, -7, 2**70])
def test_ranks_are_gapless_and_no_index_repeats_inside_an_epoch(seed: int) -> None:
    draws = small(seed).slice(0, 5 * 1024)
    for number, (name, quota) in enumerate(SMALL_QUOTAS.items()):
        of_member, size = draws.member == number, SMALL_SIZES[name]
        assert draws.rank[of_member].tolist() == list(range(5 * quota))
        assert draws.epoch[of_member].tolist() == [rank // size for rank in range(5 * quota)]
        index = draws.index[of_member]
        for start in range(0, len(index) - size + 1, size):
            assert sorted(index[start : start + size].tolist()) == list(range(size))


def test_epochs_and_seeds_have_other_orders() -> None:
    draws = small().slice(0, 4096)
    index = draws.index[draws.member == 0]
    assert index[:700].tolist() != index[700:1400].tolist()
    assert small(1).slice(0, 64).index.tolist() != small(0).slice(0, 64).index.tolist()


def test_equal_members_do_not_run_in_step() -> None:
    schedule = Schedule(one_stage({"a": 512, "b": 512}), {"a": 500, "b": 500}, 0, block=256)
    draws = schedule.slice(0, 1000)
    first, second = (draws.index[draws.member == number][:400] for number in (0, 1))
    assert (first == second).mean() < 0.05


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**40), st.integers(1, 700), st.integers(1, 900), st.data())
def test_at_is_slice_whatever_start_and_step(start: int, count: int, step: int, data: st.DataObject) -> None:
    schedule = small()
    draws = schedule.slice(start, count, step)
    assert draws.position.tolist() == list(range(start, start + count * step, step))
    i = data.draw(st.integers(0, count - 1))
    assert draw_of(schedule, draws, i) == schedule.at(start + i * step)


def test_blocks_mix_their_members() -> None:
    schedule = Schedule(one_stage({"a": 512, "b": 512}), {"a": 9, "b": 9}, 0, block=256)
    member = schedule.slice(0, 1024).member
    runs = 1 + int((member[1:] != member[:-1]).sum())
    assert 400 < runs < 620  # 513 for a fair coin; the bare table alternates without end
    assert member[:256].tolist() != schedule.slice(1024, 256).member.tolist()


def test_the_order_of_instructblip_is_pinned() -> None:
    """A change of any of these is a change of every order: raise schedule.ALGORITHM with it."""
    schedule = instructblip()
    assert [schedule.at(p) for p in (0, 1, 2, 65_535, 65_536, 10**12)] == [
        Draw("llava_conversation", 0, 0, 30728),
        Draw("llava_reasoning", 0, 0, 7323),
        Draw("web_capfilt", 0, 0, 1270871),
        Draw("ocrvqa", 7203, 0, 722032),
        Draw("web_capfilt", 30002, 0, 9477129),
        Draw("textcaps", 40725708008, 371026, 107727),
    ]
    draws = schedule.slice(0, 200_000)
    checksum = (draws.index * 31 + draws.rank * 7 + draws.member) * (draws.position % 1009 + 1)
    assert int(checksum.sum()) == 10271358269445911


def test_far_positions() -> None:
    schedule = small()
    assert schedule.at(2**62 - 1) == draw_of(schedule, schedule.slice(2**62 - 1, 1), 0)
    with pytest.raises(ValueError, match="outside"):
        schedule.at(2**62)
    with pytest.raises(ValueError, match="outside"):
        schedule.at(-1)


@given(st.integers(0, 5000))
@settings(max_examples=40, deadline=None)
def test_the_draws_before_a_position_are_counted_in_every_stage(position: int) -> None:
    other = dict(zip("abcd", (24, 1, 500, 499), strict=True))
    schedule = Schedule([Stage(0, SMALL_QUOTAS), Stage(1280, other)], SMALL_SIZES, 5, block=256)
    drawn = np.bincount(schedule.slice(0, position).member, minlength=4)
    assert list(schedule.num_drawn(position).values()) == drawn.tolist()
    assert schedule.sizes == SMALL_SIZES


def test_a_member_without_slots_is_never_drawn() -> None:
    schedule = Schedule(one_stage({"a": 0, "b": 64}), {"b": 3}, 0, block=32)
    assert set(schedule.slice(0, 300).member.tolist()) == {1}


@pytest.mark.parametrize(
    ("table", "sizes", "block"),
    [
        ({"a": 5}, {"a": 1}, 2),
        ({"a": 0}, {"a": 1}, 1),
        ({"a": 4}, {"a": 0}, 2),
        ({"a": 4}, {}, 2),
        ({"a": 4}, {"a": 1}, 0),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(table: dict[str, int], sizes: dict[str, int], block: int) -> None:
    with pytest.raises(ValueError, match=r"slots|without annotations"):
        Schedule(one_stage(table), sizes, 0, block=block)
