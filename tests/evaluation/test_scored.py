"""Cases and predictions to scores: every metric has a record, and no case without an answer is scored."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from result_cases import case

from ib_data.cards import facts, load_card
from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.protocols.read import protocol_of
from ib_data.evaluation.scoring.evaluated import Evaluated
from ib_data.evaluation.scoring.metrics import METRICS
from ib_data.evaluation.scoring.scored import scored
from ib_data.sample import Answer

OPTIONS = ("a cat", "a dog", "a hen")


def score(dataset: str, cases: Sequence[Case], answers: Sequence[Any], **changes: Any) -> Evaluated:
    """The scores of texts, choices, scores by index, or None where nothing was predicted."""
    made: dict[str, Prediction] = {}
    for one, answer in zip(cases, answers, strict=True):
        if isinstance(answer, str):
            made[one.id] = Prediction(id=one.id, answer=answer)
        elif isinstance(answer, int):
            made[one.id] = Prediction(id=one.id, answer=OPTIONS[answer], choice=answer)
        elif isinstance(answer, Mapping):
            made[one.id] = Prediction(id=one.id, answer="x", scores=answer)
    return scored(protocol_of(load_card(dataset), **changes), cases, made)


def choices(*right: int | None, **extras: Any) -> list[Case]:
    """ScienceQA questions; a value of `extras` is that of each question."""
    return [
        case(
            "scienceqa",
            "test",
            str(i),
            str(i),
            question="?",
            options=OPTIONS,
            answer_index=index,
            extra={name: values[i] for name, values in extras.items()},
        )
        for i, index in enumerate(right)
    ]


def rounds(*relevances: Any) -> list[Case]:
    """Rounds of VisDial whose right option is the first."""
    return [
        case("visdial", "validation", str(i), str(i), options=OPTIONS, answer_index=0, extra={"relevance": relevance})
        for i, relevance in enumerate(relevances)
    ]


def test_every_metric_of_cards_has_a_record():
    assert METRICS.keys() == facts.METRICS.keys() - {"none"}
    assert all(metric.function or metric.adapter for metric in METRICS.values())


@pytest.mark.parametrize("metric", ["bleu", "rouge-l", "exact-match"])
def test_a_metric_of_texts_needs_no_adapter(metric):
    captions = [case("coco_caption", "test", str(i), str(i), caption=f"a red bus number {i}") for i in range(2)]
    found = score("coco_caption", captions, ["a red bus number 0", "a red bus number 1"], metric=metric)
    assert found.scores.score == pytest.approx(1.0)


def test_a_choice_without_a_public_answer_is_left_out_and_counted():
    found = score("scienceqa", choices(0, None, 2), [0, 2, 0])
    assert [one.id for one in found.cases] == ["0", "2"]
    assert [one.id for one in found.predictions] == ["0", "2"]
    assert found.golds == [("a cat",), ("a hen",)]
    assert found.scores.score == 0.5  # the last option was right for the hidden question
    assert found.warnings == ["scienceqa/test: 1 of 3 cases have no public answer and are left out"]


@pytest.mark.parametrize("dataset", ["ivqa", "vqav2", "aokvqa", "okvqa"])
def test_a_question_without_answers_does_not_stop_the_scoring(dataset):
    split = protocol_of(load_card(dataset)).split
    answers = (Answer("red", 10),)
    cases = [case(dataset, split, str(i), str(i), answers=given) for i, given in enumerate((answers, (), answers))]
    found = score(dataset, cases, ["red"] * 3)
    assert found.scores.score == 1.0
    assert "1 of 3 cases" in found.warnings[0]


def test_a_split_without_any_answer_is_hidden():
    found = score("scienceqa", choices(None, None), [0, 1])
    assert found.is_hidden
    assert len(found.cases) == 2


def test_empty_answers_are_warned_about_only_if_all_are():
    cases = [case("okvqa", "validation", str(i), str(i), answers=(Answer("red", 10),)) for i in range(3)]
    assert score("okvqa", cases, ["", " ", None]).warnings == ["okvqa/validation: none of 2 answers has any text"]
    assert score("okvqa", cases, ["", "red", ""]).warnings == []
    assert score("okvqa", cases, [None] * 3).warnings == []  # these failed


def test_a_failed_round_has_no_rank():
    found = score("visdial", rounds([1.0, 0, 0], [1.0, 0, 0]), [{0: 0.5, 1: 0.1, 2: 0.2}, None])
    assert found.scores.values.tolist() == [1.0, 0.0]
    assert found.scores.also["r@10"] == 0.5
    assert found.scores.also["ndcg"] == 0.5
    assert found.scores.also["ndcg cases"] == 2
    assert found.scores.also["mean rank"] == 1.0


def test_relevances_that_are_all_zero_are_counted_and_skipped():
    found = score("visdial", rounds([0.0, 0, 0], [1.0, 0, 0]), [{0: 0.5, 1: 0.1, 2: 0.2}] * 2)
    assert found.scores.also["ndcg"] == 1.0
    assert found.scores.also["cases without a relevant option"] == 1


def test_a_group_of_one_image_has_no_cider():
    domains = ("in", "out", "out")
    captions = [
        case("nocaps", "validation", str(i), str(i), caption=f"a {word} bus on a road", extra={"domain": domain})
        for i, (word, domain) in enumerate(zip(("red", "green", "blue"), domains, strict=True))
    ]
    found = score("nocaps", captions, [f"a {word} bus on a road" for word in ("red", "green", "blue")])
    groups = found.breakdown["domain"]
    assert math.isnan(groups["in"].score)
    assert groups["in"].count == 1
    assert groups["out"].score > 0


def test_the_published_groups_of_grades():
    cases = choices(0, 0, 0, 0, subject=["x"] * 4, grade=["grade1", "grade6", "grade7", "grade12"])
    found = score("scienceqa", cases, [0, 1, 0, 0])
    groups = {name: (one.score, one.count) for name, one in found.breakdown["grade groups"].items()}
    assert groups == {"1-6": (0.5, 2), "7-12": (1.0, 2)}
    assert len(found.breakdown["grade"]) == 4


def test_generated_questions_are_matched_by_the_protocol():
    questions = [
        case("okvqa_qg", "validation", str(i), str(i), question=f"what is {i}?", answers=(Answer("x", 1),))
        for i in range(2)
    ]
    assert score("okvqa_qg", questions, ["What is 0", "who?"]).scores.also["exact match"] == 0.5
    described = [case("coco_caption", "test", str(i), str(i), caption="a bus", question="?") for i in range(2)]
    assert "exact match" not in score("coco_caption", described, ["a bus", "x"]).scores.also


def test_generated_ivqa_answers_are_compared_by_two_profiles():
    cases = [case("ivqa", "test", "1", "1", answers=(Answer("spoon", 5),))]
    found = score("ivqa", cases, ["A spoon"])
    assert found.scores.score == 0.0
    assert found.scores.also["profile vqa"] == 1.0


@pytest.mark.parametrize(
    ("dataset", "golds"),
    [
        ("coco_caption", "captions"),
        ("vqav2_qg", "question"),
        ("hateful_memes", "label"),
        ("scienceqa", "option"),
        ("visdial", "option"),
        ("gqa", "answers"),
    ],
)
def test_a_protocol_says_what_predictions_are_compared_with(dataset, golds):
    assert protocol_of(load_card(dataset)).golds == golds


def test_accuracy_of_options_compares_their_texts():
    found = score("scienceqa", choices(0, 1), ["a cat", "a cat"], metric="accuracy")
    assert found.scores.score == 0.5
