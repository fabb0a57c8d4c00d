"""A minute of tuning from the shipped start learns to look: the guard of the trainer, by real learning.

Asked are questions of VQAv2's validation split, each about its own image and about another one. The tuned model must be
right more often than itself about exchanged images (the blind baseline), by McNemar's exact test at 1e-6: what does not
look passes with less than that probability. And it must be right more often than the start: a trainer that teaches
another image or leaks the answer takes away from what the start knows.
"""

import json
from pathlib import Path

from ib_data.evaluation.report.statistics import mcnemar_test

STEPS, IMAGES, CASES = 180, 600, 1500
RARELY, LEAST_GAIN = 1e-6, 0.02


def right_answers(folder: Path, key: str = "answer") -> list[bool]:
    """Whether each answer is the one that most annotators gave."""
    rows = map(json.loads, (folder / "vqav2" / "examples.jsonl").read_text().splitlines())
    return [row[key] == row["gold"][0] for row in rows]


def test_a_minute_of_tuning_learns_to_look(cli, tmp_path: Path) -> None:
    home = ["--home", tmp_path / "home", "--quiet"]
    mini = ["--mini", "--mini-size", IMAGES]
    assert cli("build", "vqav2", "coco_caption", "okvqa", "aokvqa", *mini, *home).code == 0
    assert cli("build", "vqav2", "--split", "validation", *mini, *home).code == 0
    tuning = ["mixture=demo", f"steps={STEPS}", "warmup_steps=20", "tensorboard=false"]
    assert cli("train", "miniature", *tuning, "--out", tmp_path / "run", *home).code == 0
    asked = ["evaluate", "vqav2", "--split", "validation", "-n", CASES, "--num-beams", 1, *home]
    assert cli(*asked, "--model", tmp_path / "run", "--shuffle-images", "--out", tmp_path / "tuned").code == 0
    assert cli(*asked, "--model", "miniature", "--out", tmp_path / "start").code == 0
    tuned, start = right_answers(tmp_path / "tuned"), right_answers(tmp_path / "start")
    blind = right_answers(tmp_path / "tuned", "shuffled_answer")
    gained = sum(a and not b for a, b in zip(tuned, blind, strict=True))
    lost = sum(b and not a for a, b in zip(tuned, blind, strict=True))
    counts = f"right of {len(tuned)}: tuned {sum(tuned)}, start {sum(start)}, blind {sum(blind)}"
    print(counts)
    assert gained > lost, counts
    assert mcnemar_test(gained, lost) < RARELY, counts
    assert sum(tuned) - sum(start) > LEAST_GAIN * len(tuned), counts
