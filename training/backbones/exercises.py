"""What is asked and told about drawn images that are in no miniature.

Their scenes have ids from FIRST_SCENE on, in a world of another seed.
"""

from collections.abc import Callable, Iterator

from ib_data.builders.miniature import ocrvqa, textcaps, textvqa
from ib_data.builders.miniature.world import clips, signs
from ib_data.builders.miniature.world.facts import ground_fact, shape_fact, sign_facts
from ib_data.sample import Annotation, Answer
from ib_data.training.backbones.exercise import WORLD, Exercise, likely_answers
from ib_data.training.backbones.scene_exercises import ABOUT_SCENES

FIRST_SCENE = 60_000_000
_NUM_FRAMES = 4
_CLIP_SETS = ("msvd_qa", "msrvtt_qa", "ivqa")


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
            answers=(*likely_answers(answer, mistake), *odd),
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
        annotation = Annotation(id=str(clip), question=text, answers=likely_answers(answers[0], answers[1]))
        yield Exercise(dataset=dataset, kind="clip", annotation=annotation, frames=facts, right=answers)


ABOUT_NUMBERS: tuple[Callable[[int], Iterator[Exercise]], ...] = (_signs, _books, _clips)


def exercises(first: int, count: int) -> Iterator[Exercise]:
    """All exercises about `count` scenes, and as many signs, covers and clips, from number `first` on."""
    for number in range(first, first + count):
        scene = WORLD.scene(FIRST_SCENE + number)
        for about in ABOUT_SCENES:
            yield from about(scene)
        for told in ABOUT_NUMBERS:
            yield from told(number)
