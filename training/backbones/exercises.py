"""What is asked and told about drawn images: annotations of the product's datasets with the facts that decide them.

Images are no images of a miniature: their scenes have ids from FIRST_SCENE on, in a world of another seed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ib_data.builders.miniature import gqa, hateful_memes, llava, ocrvqa, scienceqa, textcaps, textvqa, vsr, web_capfilt
from ib_data.builders.miniature.visdial import dialog_turns
from ib_data.builders.miniature.world import clips, signs
from ib_data.builders.miniature.world.choices import Choice, choice_question
from ib_data.builders.miniature.world.compared import comparing_questions
from ib_data.builders.miniature.world.facts import caption_facts, count_fact, ground_fact, shape_fact, sign_facts
from ib_data.builders.miniature.world.knowledge import knowledge_question
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.questions import Question, questions
from ib_data.builders.miniature.world.scene import ALL_COLOURS, KINDS, SIZES, Scene
from ib_data.builders.miniature.world.sentences import sentences
from ib_data.builders.miniature.world.words import THINGS, listing, with_article
from ib_data.sample import Annotation, Answer, Turn

FIRST_SCENE = 60_000_000
WORLD = Population(seed=60, num_images=1000)
_NUM_FRAMES = 4
_FREQUENT, _RARE = 19, 1  # of 20 answers one is a hasty annotator's, so that the model knows these forms too
_CASES = 10  # of LLaVA's records
_CLIP_SETS = ("msvd_qa", "msrvtt_qa", "ivqa")
_BROKEN = "caf\xe3\xa9 \xe3\xb3leo"  # an answer of OK-VQA with a broken encoding


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """An annotation of a dataset, and what decides it.

    `facts` decide it; `brief` are the same facts with the words alone that are needed; `others` are further true facts
    of the image. A clip has `frames`, the facts of each of its frames, in place of facts. `right` are all right
    answers, the best first; without any, there are several true texts. `ordered`: the facts stand in the order of a
    caption.
    """

    dataset: str
    kind: str
    annotation: Annotation
    facts: tuple[str, ...] = ()
    brief: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    frames: tuple[tuple[str, ...], ...] = ()
    right: tuple[str, ...] = ()
    ordered: bool = False


def brief_fact(fact: str, text: str, answers: Sequence[str] = ()) -> str:
    """The words of a shape's fact that `text` mentions or that are of a sort in `answers`: place, size, color, kind."""
    kept = []
    asked = text.lower()
    has_place = "in the" in asked
    for word in fact.split():
        sort = "kind" if word in KINDS else "color" if word in ALL_COLOURS else "size" if word in SIZES else "place"
        is_said = has_place and f" {word}" in asked if sort == "place" else f" {word}" in asked
        if sort in answers or is_said:
            kept.append(word)
    return " ".join(kept)


def scene_facts(scene: Scene) -> tuple[str, ...]:
    """All facts of a scene that questions need: shapes, counts of all kinds, ground."""
    return (*map(shape_fact, scene.shapes), *(count_fact(scene, kind) for kind in KINDS), ground_fact(scene))


def _answers(best: str, mistake: str = "") -> tuple[Answer, ...]:
    return (Answer(best, _FREQUENT), *([Answer(mistake, _RARE)] if mistake and mistake != best else []))


# Beginning of the question -> the sorts of words in the fact that the answer needs.
_SORTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("what color", ("color",)),
    ("what size", ("size",)),
    ("what shape is in", ("kind",)),
    ("which shape is in", ("kind",)),
    ("on which side", ("place",)),
    ("which is higher", ("place",)),
    ("do the", ("size",)),
    ("how many corners", ("kind",)),
    ("what often", ("color",)),
    ("which kind of shape", ("kind",)),
)


def _sorts(text: str) -> tuple[str, ...]:
    low = text.lower().removeprefix("look at the picture.\n")
    for start, sorts in _SORTS:
        if low.startswith(start):
            return sorts
    return ("place",) if " left of" in low or " above" in low else ("size",)


def _brief(facts: Sequence[str], text: str) -> tuple[str, ...]:
    """Facts with the needed words alone. Counts stay as they are; of a ground only what is asked is kept."""
    found = []
    for fact in facts:
        words = fact.split()
        if words[0] == "count":
            found.append(fact)
        elif words[-1] == "shapes":
            ground = {"background striped": (0,), "color is the background": (1,), "picture in color": (3,)}
            kept = next((places for key, places in ground.items() if key in text), (-2, -1))
            found.append(" ".join(words[i] for i in kept) + (" background" if "background" in text else ""))
        else:
            found.append(brief_fact(fact, text, _sorts(text)))
    return tuple(found)


def _asked(dataset: str, kind: str, scene: Scene, question: Question) -> Exercise:
    annotation = Annotation(
        id=str(scene.image_id), question=question.text, answers=_answers(question.answer, question.mistake)
    )
    return _about(dataset, kind, scene, annotation, question.facts, (question.answer,))


def _about(
    dataset: str, kind: str, scene: Scene, annotation: Annotation, facts: Sequence[str], right: tuple[str, ...]
) -> Exercise:
    text = annotation.question or annotation.statement or ""
    return Exercise(
        dataset=dataset,
        kind=kind,
        annotation=annotation,
        facts=tuple(facts),
        brief=_brief(facts, text),
        others=scene_facts(scene),
        right=right,
    )


_VQA_KINDS = ("colour", "count", "exists", "size yes/no", "kind at place", "left of")


def _vqa(scene: Scene) -> Iterator[Exercise]:
    for kind, question in zip(_VQA_KINDS, questions(WORLD, scene), strict=False):
        yield _asked("vqav2", kind, scene, question)
        yield _generation("vqav2_qg", scene, question.text, question.answer, question.facts)


def _generation(dataset: str, scene: Scene, text: str, answer: str, facts: Sequence[str]) -> Exercise:
    annotation = Annotation(id=str(scene.image_id), question=text, answers=_answers(answer))
    return _about(dataset, "question generation", scene, annotation, facts, ())


def _compared(scene: Scene) -> Iterator[Exercise]:
    kinds = {"What size": "size", "On which": "side", "Is the": "above", "Which is": "higher", "Do the": "same size"}
    for question in comparing_questions(WORLD, scene):
        kind = next(name for start, name in kinds.items() if question.text.startswith(start))
        yield _asked("gqa", kind, scene, question)
    pair = gqa.either(scene)
    for question in pair[:1]:
        exercise = _asked("gqa", "either kind", scene, question)
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
        yield _about(dataset, kind, scene, annotation, asked.facts, right)
        yield _generation(f"{dataset}_qg", scene, asked.text, asked.right[0], asked.facts)


def _school(scene: Scene) -> Iterator[Exercise]:
    asked = choice_question(WORLD, scene, "iconqa")
    yield _about("iconqa", "options", scene, _choice(asked, scene, None), asked.facts, (asked.choices[asked.answer],))
    asked, hint, _ = scienceqa.with_image(WORLD, scene, scene.image_id % 7)
    right = (asked.choices[asked.answer],)
    yield _about("scienceqa", "options", scene, _choice(asked, scene, hint or None), asked.facts, right)
    asked, hint, _ = scienceqa.without_image(scene)
    right = (asked.choices[asked.answer],)
    yield _about("scienceqa", "more corners", scene, _choice(asked, scene, hint or None), (), right)


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
            answers=_answers(answer),
            history=tuple(Turn(q, a) for q, a, _ in turns[:place]),
        )
        yield _about("visdial", "dialogue" if place else "first turn", scene, annotation, (fact,), (answer,))


def _llava(scene: Scene) -> Iterator[Exercise]:
    case = WORLD.below(_CASES, "told.case", scene.image_id)  # one of ten is told over several lines, one has two blanks
    facts = {question.text: question.facts for question in questions(WORLD, scene)}
    turns = llava.conversation(WORLD, scene, case)
    forms = [dict(llava.conversation(WORLD, scene, form)) for form in range(_CASES)]
    turns = turns[::-1] if case == 0 else turns
    for place, (text, reply) in enumerate(turns):
        history = tuple(Turn(q, a) for q, a in turns[:place])
        annotation = Annotation(id=str(scene.image_id), question=text, answers=(Answer(reply, 1),), history=history)
        right = tuple(dict.fromkeys([reply, *(form[text] for form in forms)]))
        yield _about("llava_conversation", "conversation", scene, annotation, facts[text], right)
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
    found = _about("llava_reasoning", "reasoning", scene, annotation, known.facts, (known.rationales[0],))
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
        annotation = Annotation(id=str(scene.image_id), question=text, answers=_answers("unanswerable", "nothing"))
        yield _about("vizwiz", "unanswerable", scene, annotation, (), ("unanswerable",))
    question = questions(WORLD, scene)[scene.image_id % 2]
    yield _asked("vizwiz", _VQA_KINDS[scene.image_id % 2], scene, question)


def _memes(scene: Scene) -> Iterator[Exercise]:
    for case in range(3):
        words, label = hateful_memes.meme_words(WORLD, scene, scene.image_id // 3 * 3 + case)
        kind = next(kind for kind in KINDS if f" {kind}" in words)
        name = hateful_memes_label(label)
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


def hateful_memes_label(label: int) -> str:
    """The word of a meme's label."""
    return ("not hateful", "hateful")[label]


def _signs(number: int) -> Iterator[Exercise]:
    one = signs.sign(WORLD, number)
    tokens = tuple(signs.tokens_of(one)["ocr_tokens"]) if signs.is_listed(one) else ()
    facts = tuple(sign_facts(one))
    needs = ((0,), (0, 1), (0, 2), (1,), (0, 1))
    for text, places in zip(textcaps.captions(one), needs, strict=True):
        annotation = Annotation(id=str(number), caption=text.strip(), ocr_tokens=tokens)
        told = tuple(facts[i] for i in places)
        yield Exercise(
            dataset="textcaps", kind="sign caption", annotation=annotation, facts=told, brief=told, others=facts
        )
    for turn, (text, answer, mistake) in enumerate(textvqa.sign_questions(one)):
        odd = (Answer(f"{answer} shop", 1),) if number % 5 == 0 and turn == 0 else ()
        annotation = Annotation(
            id=str(number),
            question=" ".join(text.split()),
            answers=(*_answers(answer, mistake), *odd),
            ocr_tokens=tokens,
        )
        told = (facts[1],) if turn == 1 else (facts[0],)
        yield Exercise(
            dataset="textvqa", kind="sign", annotation=annotation, facts=told, brief=told, others=facts, right=(answer,)
        )


def _books(number: int) -> Iterator[Exercise]:
    one = ocrvqa.book(WORLD, number)
    facts = tuple(ocrvqa.book_facts(one))
    for text, answer in ocrvqa.book_questions(one).items():
        if answer:
            word = "title" if "title" in text else "author" if "wrote" in text else "type"
            told = tuple(fact for fact in facts if fact.startswith(word))
            annotation = Annotation(id=str(number), question=text, answers=(Answer(answer, 1),))
            yield Exercise(
                dataset="ocrvqa",
                kind="cover yes/no" if text.startswith("Is") else "cover",
                annotation=annotation,
                facts=told,
                brief=told,
                others=facts,
                right=(answer,),
            )


def _clips(number: int) -> Iterator[Exercise]:
    dataset, clip = _CLIP_SETS[number % len(_CLIP_SETS)], number // len(_CLIP_SETS) % clips.num_clips(WORLD)
    shown = clips.scenes(WORLD, dataset, clip)
    frames = [shown[(2 * i + 1) * len(shown) // (2 * _NUM_FRAMES)] for i in range(_NUM_FRAMES)]
    facts = tuple((*map(shape_fact, frame.shapes), ground_fact(frame)) for frame in frames)
    for text, answers in clips.questions(WORLD, dataset, clip):
        annotation = Annotation(id=str(clip), question=text, answers=_answers(answers[0], answers[1]))
        yield Exercise(dataset=dataset, kind="clip", annotation=annotation, frames=facts, right=answers)


ABOUT_SCENES: tuple[Callable[[Scene], Iterator[Exercise]], ...] = (
    _vqa, _compared, _knowledge, _school, _statements, _dialogues, _llava, _captions, _vizwiz, _memes,
)  # fmt: skip
ABOUT_NUMBERS: tuple[Callable[[int], Iterator[Exercise]], ...] = (_signs, _books, _clips)


def exercises(first: int, count: int) -> Iterator[Exercise]:
    """All exercises about `count` scenes, and as many signs, covers and clips, from number `first` on."""
    for number in range(first, first + count):
        scene = WORLD.scene(FIRST_SCENE + number)
        for about in ABOUT_SCENES:
            yield from about(scene)
        for told in ABOUT_NUMBERS:
            yield from told(number)
