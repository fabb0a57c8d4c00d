"""Every template that comes along."""

import hashlib
import re
from difflib import SequenceMatcher
from itertools import combinations

import pytest

from ib_data.tasks import TASKS
from ib_data.templates.library import PACKAGED
from ib_data.templates.template_file import KNOWN_FIELDS

SHORT = (
    "question_answering", "knowledge_question_answering", "question_answering_scene_text", "video_question_answering",
    "visual_dialogue",
)  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
def test_ten_distinct_training_templates(task):
    train = [t for t in PACKAGED.load(task) if t.kind == "train"]
    assert len(train) >= 10 or (task == "llava" and len(train) == 1)
    assert len({t.name for t in PACKAGED.load(task)}) == len(PACKAGED.load(task))
    assert len({t.text.lower() for t in train}) == len(train)
    for one, two in combinations(train, 2):
        bare = [re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", t.text).lower() for t in (one, two)]
        assert SequenceMatcher(None, *bare, autojunk=False).ratio() < 0.8, (one.text, two.text)


@pytest.mark.parametrize("task", TASKS)
def test_a_template_knows_its_hash_and_fields(task):
    for template in PACKAGED.load(task):
        assert template.sha256 == hashlib.sha256(template.text.encode()).hexdigest()
        assert template.needs <= template.fields <= set(KNOWN_FIELDS)
        assert template.optional == template.fields - template.needs
        assert template.targets


@pytest.mark.parametrize("task", SHORT)
def test_short_answer_tasks_ask_for_short_answers(task):
    short = re.compile(r"short|brief|few|terse|word|without a full sentence|choice|answer:", re.IGNORECASE)
    assert [t.text for t in PACKAGED.load(task) if not short.search(t.text)] == []


def test_fields_left_out_on_purpose_are_told_by_the_file():
    found = PACKAGED.file("question_answering")
    assert (found.file, found.packaged, found.unused) == ("templates/question_answering.toml", True, ("label",))
    assert (found.templates, found.faults) == (PACKAGED.load("question_answering"), ())
