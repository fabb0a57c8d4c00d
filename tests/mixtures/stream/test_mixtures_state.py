"""The state of a stream: what can resume from it, and what is an error."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.spec.mixture import Member, Mixture, StageSpec
from ib_data.mixtures.stream.stream import open_stream
from ib_data.stream_options import ImageOptions, StreamOptions
from ib_data.templates.render_options import RenderOptions

Build = Callable[..., Path]


def mixture(*members: tuple[str, int], split: str = "train", rule: str = "sqrt") -> Mixture:
    return Mixture(
        name="tiny",
        rule=rule,
        members=tuple(Member(dataset=name, split=split, size=size) for name, size in members),
    )


BUILT = mixture(("vqav2", 40), ("okvqa", 6), ("coco_caption", 18), ("vqav2_qg", 40))


def test_resuming_is_a_seek(tiny_home: Home) -> None:
    stream = open_stream(tiny_home, BUILT, seed=9)
    state = json.loads(json.dumps(stream.state(123)))
    again = open_stream(tiny_home, BUILT, seed=9)
    start = again.check_state(state)
    assert list(again.examples(start, 20)) == list(stream.examples(count=143))[123:]


@pytest.mark.parametrize(
    ("other", "seed", "says"),
    [
        (BUILT, 1, "seed was 0, is 1"),
        (mixture(("vqav2", 40), ("okvqa", 6), ("coco_caption", 18)), 0, "member vqav2_qg is gone"),
        (mixture(("vqav2", 90), ("okvqa", 6), ("coco_caption", 18), ("vqav2_qg", 40)), 0, "vqav2: quota was"),
        (mixture(("okvqa", 6), ("vqav2", 40), ("coco_caption", 18), ("vqav2_qg", 40)), 0, "the order of the members"),
    ],
)
def test_a_state_of_another_stream_is_refused(tiny_home: Home, other: Mixture, seed: int, says: str) -> None:
    state = open_stream(tiny_home, BUILT).state(5)
    with pytest.raises(IbDataError, match=says):
        open_stream(tiny_home, other, seed=seed).check_state(state)


def test_a_state_over_other_shards_is_refused(tmp_path: Path, build_split: Build) -> None:
    home, spec = Home(tmp_path), mixture(("vqav2", 40))
    build_split(home, "vqav2", 20)
    state = open_stream(home, spec).state(5)
    build_split(home, "vqav2", 21)
    with pytest.raises(IbDataError, match="vqav2: annotations was 40, is 42; vqav2: index_sha256 was"):
        open_stream(home, spec).check_state(state)


@pytest.mark.parametrize(
    "change",
    [
        {"position": -1},
        {"position": "5"},
        {"extra": 1},
        {"seed": None},
        {"algorithm": 0},
        {"fingerprint": "x"},
        {"fingerprint": "x", "stages": [1]},
        {"fingerprint": "x", "stages": [{"start": 0, "quotas": 3}]},
        {"fingerprint": "x", "members": {"vqav2": 1}},
        {"fingerprint": "x", "options": []},
    ],
)
def test_a_state_that_is_none_is_refused(tiny_home: Home, change: dict[str, object]) -> None:
    stream = open_stream(tiny_home, BUILT)
    with pytest.raises(IbDataError):
        stream.check_state({**stream.state(5), **change})


def test_a_state_under_other_options_is_refused(tiny_home: Home) -> None:
    state = open_stream(tiny_home, BUILT).state(5)
    for options, says in (
        (StreamOptions(annotations_per_image=2), "annotations_per_image was 1, is 2"),
        (StreamOptions(local_order=True), "locality was None, is"),
        (StreamOptions(images=ImageOptions(augment="mild")), "images was None, is .*mild"),
    ):
        with pytest.raises(IbDataError, match=says):
            open_stream(tiny_home, BUILT, options=options).check_state(state)
    majority = dataclasses.replace(BUILT, render=RenderOptions(answers="majority"))
    with pytest.raises(IbDataError, match="answers was frequency, is majority"):
        open_stream(tiny_home, majority).check_state(state)


def test_a_state_with_other_templates_is_refused(tiny_home: Home, tmp_path: Path) -> None:
    state = open_stream(tiny_home, BUILT).state(5)
    texts = "target = '{{ caption }}'\n[train]\n" + "\n".join(f"t{i} = 'Caption number {i}:'" for i in range(10))
    (tmp_path / "captioning.toml").write_text(texts)
    stream = open_stream(tiny_home, BUILT, options=StreamOptions(templates=tmp_path))
    assert "Caption number" in next(e for e in stream.examples() if e.dataset == "coco_caption").rendered.instruction
    with pytest.raises(IbDataError, match="coco_caption: templates_sha256 was"):
        stream.check_state(state)
    other = tmp_path / "other"
    other.mkdir()
    (other / "captioning.toml").write_text(texts.replace("{{ caption }}'", "{{ caption|lower }}'"))
    targets = open_stream(tiny_home, BUILT, options=StreamOptions(templates=other))
    with pytest.raises(IbDataError, match="coco_caption: templates_sha256 was"):
        targets.check_state(stream.state(5))


def test_what_is_still_to_come_may_change_and_the_past_may_not(tiny_home: Home) -> None:
    stage = StageSpec(start=1024, rule="uniform", scales={"okvqa": 0.0})
    plain, staged = open_stream(tiny_home, BUILT), open_stream(tiny_home, dataclasses.replace(BUILT, stages=(stage,)))
    assert staged.check_state(plain.state(1024)) == 1024
    assert plain.check_state(staged.state(1024)) == 1024
    assert list(plain.ids(0, 1024)) == list(staged.ids(0, 1024))
    assert "okvqa" not in {row.dataset for row in staged.ids(1024, 1024)}
    with pytest.raises(IbDataError, match="the stage from position 1024 is new and starts in the past"):
        staged.check_state(plain.state(1025))
    with pytest.raises(IbDataError, match="the stage from position 1024 is gone"):
        plain.check_state(staged.state(1025))


def test_a_member_may_join_later_without_being_part_of_the_past(tiny_home: Home) -> None:
    head = mixture(("vqav2", 40), ("okvqa", 6))
    later = Member(dataset="coco_caption", split="train", size=18, scale=0.0)
    stage = StageSpec(start=1024, scales={"coco_caption": 1.0})
    joined = dataclasses.replace(head, members=(*head.members, later), stages=(stage,))
    first, second = open_stream(tiny_home, head), open_stream(tiny_home, joined)
    assert second.check_state(first.state(700)) == 700
    assert list(first.ids(0, 1024)) == list(second.ids(0, 1024))
    assert "coco_caption" in {row.dataset for row in second.ids(1024, 100)}


def test_the_seed_is_not_part_of_the_fingerprint(tiny_home: Home) -> None:
    first, second = open_stream(tiny_home, BUILT), open_stream(tiny_home, BUILT, seed=1)
    assert first.fingerprint == second.fingerprint
    assert [i.key for i in first.ids(count=30)] != [i.key for i in second.ids(count=30)]
