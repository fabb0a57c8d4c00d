"""LLaVA-Instruct of the miniature: conversations, long descriptions and answers with reasons about COCO's images.

Includes odd records of the source: the marker `<image>` before or after the text, line breaks, double blanks and
capitals that must stay, an image with two records.
"""

from typing import Any

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.facts import named_shapes
from ib_data.builders.miniature.world.knowledge import knowledge_question
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.questions import Question, questions
from ib_data.builders.miniature.world.scene import Scene
from ib_data.builders.miniature.world.sentences import sentences
from ib_data.builders.miniature.world.words import NUMBERS, with_article
from ib_data.cards import Card, SourceFile, media_stores

_STORE = "coco_train2017"
_NUM_TURNS = 3
_ODD_CYCLE = 10
_TWICE, _BREAK, _BLANKS = 0, 1, 2
_REQUESTS = (
    "Describe the picture in detail.",
    "What can be seen here? Leave nothing out.",
    "Please give a full account of this image.",
)
_REPLIES = {
    ("is there a", "yes"): "Yes, there is.",
    ("is there a", "no"): "No, there is not.",
    ("is the", "yes"): "Yes, it is.",
    ("is the", "no"): "No, it is not.",
}


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official file."""
    talk = {"llava_conversation": conversation, "llava_detail": description, "llava_reasoning": reasoning}[card.name]
    records = []
    for number, image_id in enumerate(population.shuffled(_STORE, card.name)):
        turns = talk(population, population.scene(image_id), number % _ODD_CYCLE)
        records.append(_record(image_id, number, turns))
        if number % _ODD_CYCLE == _TWICE and len(turns) > 1:
            records.append(_record(image_id, number + 1, turns[::-1]))
    return {file.name: json_bytes(records)}


def _record(image_id: int, number: int, turns: list[tuple[str, str]]) -> dict[str, Any]:
    name = media_stores()[_STORE].tail(image_id)
    spoken = []
    for turn, (question, reply) in enumerate(turns):
        marked = question if turn else (f"<image>\n{question}", f"{question}\n<image>")[number % 2]
        spoken += [{"from": "human", "value": marked}, {"from": "gpt", "value": reply}]
    return {"id": name.removesuffix(".jpg"), "image": name, "conversations": spoken}


def conversation(population: Population, scene: Scene, case: int) -> list[tuple[str, str]]:
    """(question, reply) of three turns; `case` below 10 says which records are odd."""
    asked = questions(population, scene)
    first = population.below(len(asked), "llava.first", scene.image_id)
    turns = [(q.text, _reply(q)) for q in (asked[first:] + asked[:first])[:_NUM_TURNS]]
    return [*turns[:-1], (turns[-1][0], _odd(turns[-1][1], case))]


def _reply(question: Question) -> str:
    if question.answer_type == "yes/no":
        return _REPLIES[question.question_type, question.answer]
    if question.answer_type == "number":
        return f"There {'is' if question.answer == '1' else 'are'} {question.answer}."
    return f"It is {question.answer}."


def _odd(text: str, case: int) -> str:
    if case == _BREAK:
        return f"{text}\n\nThat is ALL there is to say:\n- nothing more\n- nothing less"
    return text.replace(" ", "  ", 1) if case == _BLANKS else text


def description(population: Population, scene: Scene, case: int) -> list[tuple[str, str]]:
    """(request, long description)."""
    request = _REQUESTS[population.below(len(_REQUESTS), "llava.request", scene.image_id)]
    number = NUMBERS[len(scene.shapes)]
    count = f"There is {number} shape." if len(scene.shapes) == 1 else f"There are {number} shapes."
    shapes = [f"In the {s.place} there is {with_article(f'{s.size} {s.name}')}." for s in named_shapes(scene)]
    text = f"{sentences(scene)[1]} {count}\n\n" + " ".join(shapes)
    return [(request, _odd(text, case))]


def reasoning(population: Population, scene: Scene, case: int) -> list[tuple[str, str]]:
    """(question, reasons and answer)."""
    asked = knowledge_question(population, scene)
    text = " ".join(asked.rationales) + f" So the answer is: {asked.right[0]}."
    return [(asked.text, _odd(text, case))]
