"""Visual Dialog of the miniature: rounds of questions in small letters, 100 candidates each, texts in two tables.

Includes odd dialogues of the source: a question asked twice, a candidate listed twice, no question marks, dialogues of
the test split that end in a question.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.facts import count_fact, ground_fact, named_shapes, shape_fact
from ib_data.builders.miniature.world.images import draw
from ib_data.builders.miniature.world.population import LAST_ID, Population
from ib_data.builders.miniature.world.scene import ALL_COLOURS, KINDS, MAX_SHAPES, Scene
from ib_data.builders.miniature.world.words import listing, reference, with_article
from ib_data.cards import Card, SourceFile, media_stores
from ib_data.keyed import keyed_bits

_NUM_ROUNDS = 10
_NUM_CANDIDATES = 100
_TWICE_CYCLE, _TWICE = 4, (2, 7)  # every fourth dialogue repeats the question of round 3 in round 8
_COCO_SHARE = 4  # every fourth COCO image has a dialogue
STORES = {"validation": "visdial_val2018", "test": "visdial_test2018"}
# Answers that are not about one thing, then colours, things and corrections: more than 100 texts.
_NUMBERS = tuple(map(str, range(1, MAX_SHAPES + 1)))
_GENERAL = ("yes", "no", *_NUMBERS, "yes it is", "no it isn't", "i can't tell", "maybe", "none", "a few")
POOL = (
    *_GENERAL,
    *ALL_COLOURS,
    *(f"{with_article(colour)} {kind}" for colour in ALL_COLOURS for kind in KINDS),
    *(f"it is {colour}" for colour in ALL_COLOURS),
)


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official file."""
    assert file.split is not None
    dialogs = [
        _dialog(population, image_id, number, file.split)
        for number, image_id in enumerate(_image_ids(population, file.split))
    ]
    if file.role == "relevance":
        return {file.name: json_bytes([_relevance(population, dialog) for dialog in dialogs])}
    assert file.member is not None
    questions = sorted({turn["question"] for dialog in dialogs for turn in dialog["dialog"]})
    places = {text: place for place, text in enumerate((*POOL, *questions))}
    for turn in (turn for dialog in dialogs for turn in dialog["dialog"]):
        turn["question"] = places[turn["question"]] - len(POOL)
        if "answer" in turn:
            turn["answer"] = places[turn["answer"]]
        if "answer_options" in turn:
            turn["answer_options"] = [places[text] for text in turn["answer_options"]]
    data = {"dialogs": dialogs, "questions": questions, "answers": list(POOL)}
    return {file.member: json_bytes({"version": "1.0", "split": card.splits[file.split].source_name, "data": data})}


def images(split: str, population: Population) -> Iterator[tuple[str, bytes]]:
    """(member name, JPEG) of every image of a split that is not COCO's."""
    store = media_stores()[STORES[split]]
    for image_id in _image_ids(population, split):
        yield store.member(image_id), draw(population.scene(image_id))


def _image_ids(population: Population, split: str) -> list[int]:
    """COCO's images for training; images with numbers above all of COCO's for validation and test."""
    if split == "train":
        stores = ("coco_train2014", "coco_val2014")
        return [image_id for store in stores for image_id in population.shuffled(store, "visdial")[::_COCO_SHARE]]
    count = max(2, population.num_images // 2)
    first = LAST_ID + 1 + (count if split == "test" else 0)
    return list(range(first, first + count))


def _dialog(population: Population, image_id: int, number: int, split: str) -> dict[str, Any]:
    scene = population.scene(image_id)
    turns = [(question, answer) for question, answer, _ in dialog_turns(population, scene)]
    if number % _TWICE_CYCLE == 0:
        turns[_TWICE[1]] = turns[_TWICE[0]]
    if split == "test":
        turns = turns[: 1 + population.below(_NUM_ROUNDS, "visdial.rounds", image_id)]
    rounds: list[dict[str, Any]] = []
    for place, (question, answer) in enumerate(turns):
        is_last = place == len(turns) - 1
        turn: dict[str, Any] = {"answer": answer, "question": question}
        if split != "test" or is_last:
            turn["answer_options"] = _candidates(population, image_id, place, answer)
        if split != "test":
            turn["gt_index"] = turn["answer_options"].index(answer)
        elif is_last:
            del turn["answer"]
        rounds.append(turn)
    names = listing([with_article(shape.name) for shape in named_shapes(scene)])
    return {
        "image_id": image_id,
        "dialog": rounds,
        "caption": f"{names} on {with_article(scene.background)} background",
    }


def dialog_turns(population: Population, scene: Scene) -> list[tuple[str, str, str]]:
    """Ten true rounds in an order that depends on the scene: question, answer, and the fact that decides it."""
    ground = ground_fact(scene)
    found = [
        (f"is there {with_article(kind)}", "yes" if scene.count(kind) else "no", count_fact(scene, kind))
        for kind in KINDS
    ]
    found += [
        ("how many shapes are there", str(len(scene.shapes)), ground),
        ("what color is the background", scene.background, ground),
        ("is the background striped", "yes" if scene.is_textured else "no", ground),
        ("is the picture in color", "no" if scene.is_greyscale else "yes", ground),
    ]
    for shape in scene.shapes:
        name, fact = reference(scene, shape), shape_fact(shape)
        found.append((f"what color is {name}", f"it is {shape.colour}", fact))
        found.append((f"is {name} large", "yes it is" if shape.size == "large" else "no it isn't", fact))
    return _ordered(population, "visdial.turns", scene.image_id, 0, found)[:_NUM_ROUNDS]


def _candidates(population: Population, image_id: int, place: int, answer: str) -> list[str]:
    """The answer among 99 others; the last but one repeats the first if that is wrong."""
    others = [text for text in POOL if text != answer]
    wrong = _ordered(population, "visdial.wrong", image_id, place, others)[: _NUM_CANDIDATES - 1]
    mixed = _ordered(population, "visdial.mixed", image_id, place, [answer, *wrong])
    if place == 0 and answer not in (mixed[0], mixed[-2]):
        mixed[-2] = mixed[0]
    return mixed


def _relevance(population: Population, dialog: dict[str, Any]) -> dict[str, Any]:
    """The relevance for one round: 1 for the right candidate, a little for its neighbour."""
    image_id = dialog["image_id"]
    place = population.below(_NUM_ROUNDS, "visdial.graded", image_id)
    values = [0.0] * _NUM_CANDIDATES
    right = dialog["dialog"][place]["gt_index"]
    values[right - 1], values[right] = 0.4, 1.0
    return {"image_id": image_id, "round_id": place + 1, "gt_relevance": values}


def _ordered(population: Population, stream: str, image_id: int, place: int, items: list[Any]) -> list[Any]:
    keyed = [(keyed_bits(population.seed, f"miniature.{stream}", image_id, place, i), i) for i in range(len(items))]
    return [items[i] for _, i in sorted(keyed)]


MEDIA = {store: partial(images, split) for split, store in STORES.items()}
