"""Epochs of each member: exact at any position, without going through the positions before it."""

import pytest
from toy_training import ToyStream

from ib_data.mixtures.order.schedule import Schedule
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.spec.weights import drawn_samples, stage_quotas
from ib_data.training.loop.member_epochs import member_epochs


class PaperStream(ToyStream):
    """The paper's mixture, by its pinned sizes."""

    @property
    def mixture(self) -> Mixture:
        return load_mixture("instructblip")

    @property
    def schedule(self) -> Schedule:
        mixture = self.mixture
        return Schedule(stage_quotas(mixture), {m.name: m.size for m in mixture.members}, self.seed)


def test_seen_is_what_was_drawn_and_expected_is_of_the_whole_run() -> None:
    stream, position, end = PaperStream(), 3000, 60_000 * 128
    sizes, draws = stream.schedule.sizes, stream.schedule.slice(0, position)
    found = member_epochs(stream, position, end)
    assert found.keys() == sizes.keys() == set(stream.mixture.names)
    for number, name in enumerate(stream.schedule.names):
        assert found[name]["seen"] == int((draws.member == number).sum()) / sizes[name]
        assert found[name]["expected"] == drawn_samples(stream.mixture, end)[name] / sizes[name]


def test_a_finished_run_has_seen_what_was_expected() -> None:
    end = 60_000 * 128
    for of in member_epochs(PaperStream(), end, end).values():
        assert of["seen"] == pytest.approx(of["expected"], rel=1e-3)
    # No loop over positions gets here.
    far = member_epochs(PaperStream(), 2**40, 2**40)
    assert far["coco_caption"]["seen"] == pytest.approx(far["coco_caption"]["expected"], rel=1e-9)


def test_a_member_that_is_never_drawn_has_no_epochs() -> None:
    members = (Member(dataset="a", split="train", size=10), Member(dataset="b", split="train", size=10, scale=0.0))

    class Stream(ToyStream):
        mixture = Mixture(name="two", rule="sqrt", members=members)
        schedule = Schedule(stage_quotas(mixture), {"a": 10}, 0)

    assert member_epochs(Stream(), 25, 40) == {"a": {"seen": 2.5, "expected": 4.0}}
