"""The caption tokeniser against the Java original: captions of our own with what Java made of them, and COCO's."""

import json
import time
from pathlib import Path

import pytest

from ib_data.evaluation.metrics.captions.ptb_tokens import tokenised_text, tokens

HARD = json.loads((Path(__file__).parent / "data" / "java_tokenised.json").read_text())
DIFFERENT = {  # kinds that the module's docstring lists
    "see www.crabs.example/shop. It is shut",
    "A blue half@half, on a cart.",
    "The clerk sees '50-'60.",
}


def test_hard_captions_become_what_java_makes_of_them():
    assert len(HARD) > 450
    assert {caption for caption, java in HARD if tokenised_text(caption) != java} == DIFFERENT


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A man's dog isn't here.", "a man 's dog is n't here"),
        ("Main St. is long, etc.", "main st. is long etc."),
        ("Wait!! what?? ... so..", "wait !! what ?? so"),
        ("(big) [red]", "-lrb- big -rrb- -lsb- red -rsb-"),
        ("1:42pm M&Ms", "1:42 pm m&m s"),
        ("1 1/2 cups", "1\xa01/2 cups"),
        ("the letter Q. The rest", "the letter q the rest"),
        ("I cannot\nsee\r\nit", "i can not see it"),
        ("", ""),
        (" . , - ... ' ", ""),
    ],
)
def test_one_caption(caption, expected):
    assert tokenised_text(caption) == expected
    assert tokens(caption) == (expected.split(" ") if expected else [])


@pytest.mark.parametrize("part", [".", "+", "<a ", "<a", "(", "x'", "a-", "a.", "1 ", "a@", "1/", "n'", "_-"])
def test_no_caption_takes_long(part):
    start = time.process_time()
    tokens(part * 3000)
    assert time.process_time() - start < 2


@pytest.mark.real
def test_coco_captions_become_what_java_made_of_them(real):
    expected = json.loads((real / "metrics" / "coco_tokenised_1000.json").read_text())
    references = json.loads((real / "metrics" / "coco_refs_1000.json").read_text())
    results = json.loads((real / "coco_caption/results/captions_val2014_fakecap_results.json").read_text())
    pairs = [pair for key, texts in references.items() for pair in zip(texts, expected["references"][key], strict=True)]
    pairs += [(row["caption"], expected["hypotheses"][str(row["image_id"])][0]) for row in results]
    assert len(pairs) == 6005
    assert [caption for caption, java in pairs if tokenised_text(caption) != java] == []
