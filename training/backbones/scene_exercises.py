"""What is asked and told about scenes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ib_data.builders.hateful_memes import LABELS
from ib_data.builders.miniature import gqa, hateful_memes, llava, scienceqa, vsr, web_capfilt
from ib_data.builders.miniature.visdial import dialog_turns
from ib_data.builders.miniature.world.choices import Choice, choice_question
from ib_data.builders.miniature.world.compared import comparing_questions
from ib_data.builders.miniature.world.facts import caption_facts, count_fact, ground_fact, shape_fact
from ib_data.builders.miniature.world.knowledge import knowledge_question
from ib_data.builders.miniature.world.questions import questions
from ib_data.builders.miniature.world.scene import KINDS, Scene
from ib_data.builders.miniature.world.sentences import sentences
from ib_data.builders.miniature.world.words import THINGS, listing, with_article
from ib_data.sample import Annotation, Answer, Turn
from ib_data.training.backbones.exercise import (
    WORLD,
    Exercise,
    asked_exercise,
    brief_fact,
    exercise_about,
    likely_answers,
    scene_facts,
)

_CASES = 10  # of LLaVA's records
_BROKEN = "caf\xe3\xa9 \xe3\xb3leo"  # an answer of OK-VQA with a broken encoding
_VQA_KINDS = ("colour", "count", "exists", "size yes/no", "kind at place", "left of")


def _vqa(scene: Scene) -> Iterator[Exercise]:
    for kind, question in zip(_VQA_KINDS, questions(WORLD, scene), strict=False):
        yield asked_exercise("vqav2", kind, scene, question)
        yield _generation("vqav2_qg", scene, question.text, question.answer, question.facts)


def _generation(dataset: str, scene: Scene, text: str, answer: str, facts: Sequence[str]) -> Exercise:
    annotation = Annotation(id=str(scene.image_id), question=text, answers=likely_answers(answer))
    return exercise_about(dataset, "question generation", scene, annotation, facts, ())


def _compared(scene: Scene) -> Iterator[Exercise]:
    kinds = {"What size": "size", "On which": "side", "Is the": "above", "Which is": "higher", "Do the": "same size"}
    for question in comparing_questions(WORLD, scene):
        kind = next(name for start, name in kinds.items() if question.text.startswith(start))
        yield asked_exercise("gqa", kind, scene, question)
    pair = gqa.either(scene)
    for question in pair[:1]:
        exercise = asked_exercise("gqa", "either kind", scene, question)
        names = tuple(shape.kind for shape in scene.shapes)
        yield replace(exercise, right=names)


def _knowledge(scene: Scene) -> Iterator[Exercise]:
    asked = knowledge_question(WORLD, scene)
    kind = "corners" if asked.category == "ten" else "same colour"
    right = asked.right
    if kind == "same colour":
        right = next(things for things in THINGS.values() if asked.right[0] in things)
    broken = (Answer(_BROKEN, 1),) if scene.image_id % 8 == 0 else ()
    answers = (*(Answer(text, 8 if i else 20) for i, text in enumerate(asked.right)), Answer(asked.wrong[0], 1))
    open_one = Annotation(id=str(scene.image_id), question=asked.text, answers=(*answers, *broken))
    place = WORLD.below(4, "told.option", scene.image_id)
    options = (*asked.wrong[:place], asked.right[0], *asked.wrong[place:])
    closed = replace(open_one, answers=answers, options=options, answer_index=place)
    for dataset, annotation in (("okvqa", open_one), ("aokvqa", closed)):
        yield exercise_about(dataset, kind, scene, annotation, asked.facts, right)
        yield _generation(f"{dataset}_qg", scene, asked.text, asked.right[0], asked.facts)


def _school(scene: Scene) -> Iterator[Exercise]:
    asked = choice_question(WORLD, scene, "iconqa")
    yield exercise_about(
        "iconqa", "options", scene, _choice(asked, scene, None), asked.facts, (asked.choices[asked.answer],)
    )
    asked, hint, _ = scienceqa.with_image(WORLD, scene, scene.image_id % 7)
    right = (asked.choices[asked.answer],)
    yield exercise_about("scienceqa", "options", scene, _choice(asked, scene, hint or None), asked.facts, right)
    asked, hint, _ = scienceqa.without_image(scene)
    right = (asked.choices[asked.answer],)
    yield exercise_about("scienceqa", "more corners", scene, _choice(asked, scene, hint or None), (), right)


def _choice(asked: Choice, scene: Scene, hint: str | None) -> Annotation:
    return Annotation(
        id=str(scene.image_id), question=asked.question, options=asked.choices, answer_index=asked.answer, context=hint
    )


def _statements(scene: Scene) -> Iterator[Exercise]:
    if len(scene.unique_kinds()) < 2:
        return
    for turn in range(2):
        is_true = bool(WORLD.below(2, "vsr.label", scene.image_id, turn))
        one, relation, other = vsr.statement(WORLD, scene, is_true, turn)
        label = "true" if is_true else "false"
        text = f"The {one.kind} is {relation} the {other.kind}."
        facts = (shape_fact(one), shape_fact(other))
        annotation = Annotation(id=str(scene.image_id), statement=text, label=label)
        yield Exercise(
            dataset="vsr",
            kind="VSR",
            annotation=annotation,
            facts=facts,
            brief=tuple(brief_fact(fact, text, ("place", "kind")) for fact in facts),
            others=scene_facts(scene),
            right=(label,),
        )


def _dialogues(scene: Scene) -> Iterator[Exercise]:
    turns = dialog_turns(WORLD, scene)
    names = listing([with_article(shape.name) for shape in scene.shapes[:3]])
    caption = f"{names} on {with_article(scene.background)} background"
    for place in sorted({0, WORLD.below(len(turns), "told.turn", scene.image_id)}):
        question, answer, fact = turns[place]
        annotation = Annotation(
            id=str(scene.image_id),
            question=question,
            caption=caption,
            answers=likely_answers(answer),
            history=tuple(Turn(q, a) for q, a, _ in turns[:place]),
        )
        yield exercise_about("visdial", "dialogue" if place else "first turn", scene, annotation, (fact,), (answer,))


def _llava(scene: Scene) -> Iterator[Exercise]:
    case = WORLD.below(_CASES, "told.case", scene.image_id)  # one of ten is told over several lines, one has two blanks
    asked = {question.text: question for question in questions(WORLD, scene)}
    turns = llava.conversation(WORLD, scene, case)
    forms = [dict(llava.conversation(WORLD, scene, form)) for form in range(_CASES)]
    turns = turns[::-1] if case == 0 else turns
    for place, (text, reply) in enumerate(turns):
        history = tuple(Turn(q, a) for q, a in turns[:place])
        annotation = Annotation(id=str(scene.image_id), question=text, answers=(Answer(reply, 1),), history=history)
        # As it is, the question is one of VQAv2 too, which is answered in a word.
        right = tuple(dict.fromkeys([reply, *(form[text] for form in forms), asked[text].answer]))
        yield exercise_about("llava_conversation", "conversation", scene, annotation, asked[text].facts, right)
    ((text, reply),) = llava.description(WORLD, scene, case)
    annotation = Annotation(id=str(scene.image_id), question=text, answers=(Answer(reply, 1),))
    told = (ground_fact(scene), *map(shape_fact, scene.shapes[:3]))
    yield Exercise(
        dataset="llava_detail",
        kind="detail",
        annotation=annotation,
        facts=told,
        brief=told,
        right=(reply,),
        ordered=True,
    )
    ((text, reply),) = llava.reasoning(WORLD, scene, case)
    annotation = Annotation(id=str(scene.image_id), question=text, answers=(Answer(reply, 1),))
    known = knowledge_question(WORLD, scene)
    found = exercise_about("llava_reasoning", "reasoning", scene, annotation, known.facts, (known.rationales[0],))
    yield replace(found, brief=found.facts)


def _captions(scene: Scene) -> Iterator[Exercise]:
    brief = tuple(caption_facts(scene))
    full = (ground_fact(scene), *map(shape_fact, scene.shapes[:3]))
    told = [("coco_caption", text) for text in sentences(scene)]
    told += [("web_capfilt", text) for text in web_capfilt.web_captions(scene).values()]
    for dataset, text in told:
        annotation = Annotation(id=str(scene.image_id), caption=text)
        yield Exercise(dataset=dataset, kind="caption", annotation=annotation, facts=full, brief=brief, ordered=True)


def _vizwiz(scene: Scene) -> Iterator[Exercise]:
    for text in ("Hello. I hope that this picture is better.", "What does the label say?"):
        annotation = Annotation(
            id=str(scene.image_id), question=text, answers=likely_answers("unanswerable", "nothing")
        )
        yield exercise_about("vizwiz", "unanswerable", scene, annotation, (), ("unanswerable",))
    question = questions(WORLD, scene)[scene.image_id % 2]
    yield asked_exercise("vizwiz", _VQA_KINDS[scene.image_id % 2], scene, question)


def _memes(scene: Scene) -> Iterator[Exercise]:
    for case in range(3):
        words, label = hateful_memes.meme_words(WORLD, scene, scene.image_id // 3 * 3 + case)
        kind = next(kind for kind in KINDS if f" {kind}" in words)
        name = LABELS[label]
        annotation = Annotation(id=str(scene.image_id), context=words, label=name)
        yield Exercise(
            dataset="hateful_memes",
            kind="memes",
            annotation=annotation,
            facts=(count_fact(scene, kind),),
            brief=(count_fact(scene, kind),),
            others=scene_facts(scene),
            right=(name, "yes" if label else "no"),
        )


ABOUT_SCENES: tuple[Callable[[Scene], Iterator[Exercise]], ...] = (
    _vqa, _compared, _knowledge, _school, _statements, _dialogues, _llava, _captions, _vizwiz, _memes,
)  # fmt: skip
