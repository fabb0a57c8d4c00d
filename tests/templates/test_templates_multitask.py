"""Multitask training: an annotation's own words without an instruction, alone or after task and dataset."""

import pytest

from ib_data.cards import card_names, load_card
from ib_data.errors import DataError
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.sample import Annotation, Answer, Turn
from ib_data.tasks import TASKS
from ib_data.templates.plain_inputs import PLAIN_INPUTS
from ib_data.templates.render_options import RenderOptions
from ib_data.templates.renderer import Renderer

PLAIN = Renderer(options=RenderOptions(instructions="plain"))
DATASET = Renderer(options=RenderOptions(instructions="dataset"))
BLUE = (Answer("blue", 3),)
DIALOGUE = Annotation(id="4", question="And now?", answers=BLUE, history=(Turn("Before?", "red"),))
CASES = {
    "vqav2": (Annotation(id="1", question="What colour?", answers=BLUE), "What colour?", "blue"),
    "vqav2_qg": (Annotation(id="1", question="What colour?", answers=BLUE), "blue", "What colour?"),
    "coco_caption": (Annotation(id="1", caption="a blue sky"), "", "a blue sky"),
    "textcaps": (Annotation(id="1", caption="a sign", ocr_tokens=("STOP",)), "", "a sign"),
    "aokvqa": (
        Annotation(id="1", question="Which?", answers=BLUE, options=("red", "green"), answer_index=1), "Which?", "blue",
    ),
    "scienceqa": (
        Annotation(id="1", question="Which?", context="Look.", options=("red", "green"), answer_index=1),
        "Look. Which? (a) red (b) green", "green",
    ),
    "vsr": (Annotation(id="1", statement="It is red.", label="true"), "It is red.", "true"),
    "gqa": (Annotation(id="1", question="Is it red?", answers=BLUE), "Is it red?", "blue"),
    "hateful_memes": (Annotation(id="1", context="a joke", label="hateful"), "a joke", "hateful"),
    "llava_conversation": (DIALOGUE, "Question: Before? Answer: red\nAnd now?", "blue"),
    "visdial": (DIALOGUE, "Question: Before? Answer: red\nAnd now?", "blue"),
    "msvd_qa": (Annotation(id="1", question="Who runs?", answers=BLUE), "Who runs?", "blue"),
    "ocrvqa": (Annotation(id="1", question="Who wrote it?", answers=BLUE), "Who wrote it?", "blue"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_input_is_the_annotations_own_words(name: str) -> None:
    annotation, instruction, target = CASES[name]
    card = load_card(name)
    for position in range(5):
        rendered = PLAIN.render(card, annotation, position)
        assert (rendered.instruction, rendered.target) == (instruction, target)
        assert PLAIN.template_of(rendered).text == PLAIN_INPUTS[card.task][name == "scienceqa" or name == "gqa"]
        named = DATASET.render(card, annotation, position)
        assert named.instruction == f"[{card.task.replace('_', ' ')}:{name}] {instruction}".strip()
        assert named.target == target


def test_every_task_has_an_input_and_every_dataset_a_case_of_its_task() -> None:
    assert PLAIN_INPUTS.keys() == TASKS.keys() == {load_card(name).task for name in CASES}
    assert all(PLAIN.templates(load_card(name).task) for name in card_names())


def test_a_chat_names_the_dataset_once() -> None:
    renderer = Renderer(options=RenderOptions(instructions="dataset", turns="chat"))
    rendered = renderer.render(load_card("llava_conversation"), DIALOGUE, 0)
    assert [text for text, _ in rendered.segments] == ["[llava:llava_conversation] Before?", "red", "And now?", "blue"]


def test_the_zero_shot_prompt_of_a_held_out_dataset_stays() -> None:
    card, annotation = load_card("vizwiz"), CASES["vqav2"][0]
    rendered = DATASET.render_in_pass(card, annotation, 0, may_hide=False)
    assert rendered.instruction == "Question: What colour? Short answer:"


def test_the_digest_covers_what_is_rendered() -> None:
    card = load_card("vqav2")
    assert PLAIN.digest(card) != Renderer().digest(card)


def test_an_annotation_without_its_words_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(DataError, match=r"no question to render .*; leave its dataset out, or render"):
        PLAIN.render(load_card("vqav2"), Annotation(id="1", answers=BLUE), 0)


@pytest.mark.parametrize(("name", "value"), [("multitask", "plain"), ("multitask-dataset", "dataset")])
def test_the_mixtures_of_multitask_training_differ_in_rendering_alone(cli, name: str, value: str) -> None:
    mixture, base = load_mixture(name), load_mixture("instructblip")
    assert (mixture.members, mixture.rule, mixture.stages) == (base.members, base.rule, base.stages)
    assert mixture.render.changed() == {"instructions": value}
    assert f"render: instructions = {value}" in cli("mixture", "show", name).out
    assert "render.instructions" in cli("mixture", "diff", "instructblip", name).out
