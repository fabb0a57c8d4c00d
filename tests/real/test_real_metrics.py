"""Metrics on official files: what is known of them beforehand."""

import json
from collections import Counter

import numpy as np
import pytest

from ib_data.evaluation.metrics.accuracy import accuracy
from ib_data.evaluation.metrics.aokvqa import direct_answer
from ib_data.evaluation.metrics.choice import choice_accuracy, letter_choice
from ib_data.evaluation.metrics.gqa import gqa_breakdown
from ib_data.evaluation.metrics.ranks import ndcg, rank_metrics, ranks_of
from ib_data.evaluation.metrics.roc_auc import roc_auc
from ib_data.evaluation.metrics.vqa_accuracy import PROFILES, vqa_accuracy

pytestmark = pytest.mark.real


def most_frequent(answers: list[str]) -> str:
    return Counter(answers).most_common(1)[0][0]


def test_vsr_majority(real) -> None:
    labels = [json.loads(line)["label"] == 1 for line in (real / "vsr/zeroshot/test.jsonl").read_text().splitlines()]
    golds = ["true" if label else "false" for label in labels]
    scores = accuracy(["true"] * len(golds), golds)
    assert (scores.score, len(scores.values), scores.values.sum()) == (629 / 1222, 1222, 629)
    assert roc_auc(np.zeros(1222), labels).score == 0.5
    assert roc_auc(labels, labels).score == 1


@pytest.mark.parametrize(
    ("file", "maximum"),
    [("okvqa/reassembled/mscoco_val2014_annotations.json", 0.98734), ("vizwiz/val.json", 0.93890)],
)
def test_the_most_frequent_answer_is_near_the_ceiling(real, file, maximum) -> None:
    found = json.loads((real / file).read_text())
    rows = found["annotations"] if isinstance(found, dict) else found
    answers = [[answer["answer"] for answer in row["answers"]] for row in rows]
    predictions = list(map(most_frequent, answers))
    scores = {profile: vqa_accuracy(predictions, answers, profile) for profile in PROFILES}
    assert scores["vqa-official-2021"].score == scores["evalai"].score == pytest.approx(maximum, abs=1e-5)
    possible = {0.6, 1.0} if "okvqa" in file else {0.3, 0.6, 0.9, 1.0}
    assert set(scores["vqa-official-2021"].values.tolist()) <= possible
    assert scores["vizwiz"].score <= scores["evalai"].score  # humans are not normalised: never higher on these


def test_textvqa(real) -> None:
    rows = json.loads((real / "textvqa/TextVQA_0.5.1_val.json").read_text())["data"]
    answers = {row["question_id"]: row["answers"] for row in rows}
    asked = [(34605, "Bowmore"), (34605, "bowmore islay"), (34606, "ten years."), (34606, "10"), (34604, "beer")]
    scores = vqa_accuracy([text for _, text in asked], [answers[name] for name, _ in asked], "evalai")
    assert scores.values.tolist() == [1, 0.6, 1, 0.3, 0]


def test_aokvqa(real) -> None:
    rows = json.loads((real / "aokvqa/aokvqa_v1p0_val.json").read_text())
    easy = [row["direct_answers"] for row in rows if not row["difficult_direct_answer"]]
    scores = direct_answer(list(map(most_frequent, easy)), easy)
    assert set(scores.values.tolist()) <= {1 / 3, 2 / 3, 1.0}
    right = [row["correct_choice_idx"] for row in rows]
    same = [max(i for i in range(4) if row["choices"][i] == row["choices"][row["correct_choice_idx"]]) for row in rows]
    assert choice_accuracy(same, right).values.sum() == 1142  # three questions repeat the right text
    assert choice_accuracy(same, right, [row["choices"] for row in rows]).score == 1


def test_gqa_golds_are_right(real) -> None:
    rows = json.loads((real / "gqa/testdev_balanced_questions.json").read_text())
    golds = [row["answer"] for row in rows.values()]
    asked = {
        "ids": list(rows),
        "structural": [row["types"]["structural"] for row in rows.values()],
        "entailed": [row["entailed"] for row in rows.values()],
        "groups": [row["groups"]["global"] for row in rows.values()],
    }
    scores = gqa_breakdown(golds, golds, **asked)
    assert scores.score == 1
    assert scores.also == {
        "binary": 1, "open": 1, "consistency": 1, "consistency questions": 112, "distribution": 0
    }  # fmt: skip
    assert gqa_breakdown(golds, golds, **asked, profile="vqa").score == 1


def test_scienceqa_texts_and_letters_name_their_options(real) -> None:
    problems = json.loads((real / "scienceqa/problems.json").read_text())
    for problem in problems.values():
        choices = problem["choices"]
        for index, text in enumerate(choices):
            assert letter_choice(f"({chr(97 + index)})", choices) == index
            assert choices[letter_choice(text, choices)].casefold() == text.casefold()


def test_visdial_chance(real) -> None:
    rows = json.loads((real / "visdial/visdial_1.0_val_dense_annotations.json").read_text())
    relevance = [row["gt_relevance"] for row in rows]
    best = [[ranks_of(gains, index) for index in range(100)] for gains in relevance]
    assert ndcg(best, relevance).score == 1
    dialogs = json.loads((real / "visdial/visdial_1.0_val.json").read_text())["data"]["dialogs"]
    golds = [turn["gt_index"] for dialog in dialogs for turn in dialog["dialog"]]
    scores = rank_metrics([ranks_of(np.zeros(100), gold) for gold in golds])
    assert scores.also["mean rank"] == 1 + np.mean(golds)
    assert 0.01 < scores.score < 0.15  # constant scores: near chance, 0.0519, as right options are anywhere
