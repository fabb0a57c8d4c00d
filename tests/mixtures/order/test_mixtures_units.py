"""Sampling units: an annotation, an image with several annotations, or a conversation."""

from pathlib import Path

import pytest

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.stream.stream import open_stream
from ib_data.stream_options import ImageOptions, StreamOptions
from ib_data.templates.render_options import RenderOptions

TWO = Mixture(
    name="two",
    rule="sqrt",
    members=(
        Member(dataset="vqav2", split="train", size=40),
        Member(dataset="coco_caption", split="train", size=18),
    ),
)


@pytest.mark.parametrize("per_image", [2, 3])
def test_an_image_gives_up_to_k_annotations_and_is_decoded_once(picture_home: Home, per_image: int) -> None:
    options = StreamOptions(annotations_per_image=per_image, images=ImageOptions(image_px=16))
    stream = open_stream(picture_home, TWO, options=options)
    examples = stream.batch(0, 58)
    by_position: dict[int, list] = {}
    for example in examples:
        by_position.setdefault(example.position, []).append(example)
    assert list(by_position) == list(range(58))
    for group in by_position.values():
        assert len({example.key for example in group}) == 1
        assert len({example.annotation_id for example in group}) == len(group) == 2  # the tiny samples have two
        assert len({id(example.pixels) for example in group}) == 1
    templates = [tuple(e.rendered.template for e in group) for group in by_position.values()]
    assert any(one != other for one, other in templates)
    listed = [(row.position, row.dataset, row.key, row.annotation_id, row.template) for row in stream.ids(count=58)]
    assert listed == [(e.position, e.dataset, e.key, e.annotation_id, e.rendered.template) for e in examples]


def test_an_epoch_visits_each_image_once(picture_home: Home) -> None:
    stream = open_stream(picture_home, TWO, options=StreamOptions(annotations_per_image=2))
    drawn = [row for row in stream.ids(count=200) if row.dataset == "coco_caption"]
    keys = [row.key for row in drawn[::2]]
    assert len(set(keys[:9])) == 9
    assert set(keys[9:18]) == set(keys[:9])


def test_all_annotations_of_an_image_come_before_one_comes_again(tmp_path: Path, cli) -> None:
    assert cli("build", "coco_caption", "--mini", "--split", "train", "--no-media", "--home", tmp_path).code == 0
    spec = Mixture(name="c", rule="sqrt", members=(Member(dataset="coco_caption", split="train", size=9),))
    stream = open_stream(Home(tmp_path), spec, options=StreamOptions(annotations_per_image=2))
    seen: dict[str, list[str]] = {}
    for row in stream.ids(count=40 * stream.pass_size):
        seen.setdefault(row.key, []).append(row.annotation_id)
    five = [ids for ids in seen.values() if len(set(ids)) == 5]
    assert five
    for ids in five:
        assert len(set(ids[:4])) == 4
        for start in range(0, len(ids) - 10, 10):  # five epochs of two: each annotation twice
            assert sorted(ids[start : start + 10]) == sorted([*set(ids)] * 2)


def test_a_conversation_is_one_chat(tmp_path: Path, cli) -> None:
    assert cli("build", "llava_conversation", "--mini", "--home", tmp_path).code == 0
    member = Member(dataset="llava_conversation", split="train", size=9)
    each = Mixture(name="c", rule="sqrt", members=(member,))
    chat = Mixture(name="c", rule="sqrt", members=(member,), render=RenderOptions(turns="chat"))
    turns, chats = (open_stream(Home(tmp_path), spec) for spec in (each, chat))
    assert chats.pass_size < turns.pass_size
    told = [example.rendered for example in chats.read_pass()]
    assert sum(len(rendered.earlier) + 1 for rendered in told) == turns.pass_size
    said = {(rendered.instruction, rendered.target) for rendered in told}
    said |= {(turn.question, turn.answer) for rendered in told for turn in rendered.earlier}
    assert {(e.annotation.question, e.annotation.answers[0].text) for e in turns.read_pass()} == said
    two = open_stream(Home(tmp_path), chat, options=StreamOptions(annotations_per_image=4))
    assert len(two.read_pass()) == chats.pass_size


def test_a_view_by_task_is_the_dataset_with_other_templates(tiny_home: Home) -> None:
    view = Mixture(
        name="v",
        rule="sqrt",
        members=(Member(dataset="vqav2", split="train", size=40, task="question_generation"),),
    )
    example = open_stream(tiny_home, view).at(3)
    assert (example.dataset, example.rendered.task) == ("vqav2/question_generation", "question_generation")
    assert example.rendered.target == example.annotation.question


@pytest.mark.parametrize("options", [{"annotations_per_image": 0}, {"max_bad_share": 1.5}])
def test_options_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(IbDataError, match="expected"):
        StreamOptions(**options)
