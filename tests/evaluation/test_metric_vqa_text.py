"""The VQA normaliser, cell by cell: outputs of the official evaluator and of mmf's EvalAI processor."""

import pytest

from ib_data.errors import UnknownNameError
from ib_data.evaluation.metrics.vqa_text import PROFILES, normalised, trimmed, without_punctuation
from ib_data.evaluation.metrics.vqa_words import CONTRACTIONS, CURLED_CONTRACTIONS, DIGITS, PUNCTUATION

SAME = [  # official and EvalAI give the same
    ("3.", "3"),
    ("7.5.", "7.5"),
    ("1.", "1"),
    ("1,000 people, maybe", "1000 people maybe"),
    ("3,4", "34"),
    ("T-shirt", "t shirt"),
    ("black/white", "black white"),
    ("hello!world", "hello world"),
    ("U.S.", "us"),
    ("p.m.", "pm"),
    ("a.b", "ab"),
    ("...", ""),
    ("none", "0"),
    ("None", "0"),
    ("two men", "2 men"),
    ("eleven", "eleven"),
    ("a", ""),
    ("A", ""),
    ("the the", ""),
    ("dont", "don't"),
    ("theyre", "they're"),
    ("Im", "im"),
    ("$5.00", "$5.00"),
    ("100%", "100%"),
    ("10:30", "10:30"),
    ("rock & roll", "rock & roll"),
    ("6'2\"", "6'2"),
]
DIFFERENT = [  # text, official, EvalAI
    ("man's", "man's", "man 's"),
    ("it's", "it's", "it 's"),
    ("let's", "let's", "let 's"),
    ("red,blue", "red blue", "redblue"),
    ("yes,no", "yes no", "yesno"),
]


@pytest.mark.parametrize(
    ("text", "official", "evalai"), [(text, found, found) for text, found in SAME] + DIFFERENT, ids=repr
)
def test_every_cell_of_the_table(text, official, evalai):
    assert normalised(text) == normalised(text, "vqa-official-2021") == official
    assert normalised(text, "vqa-lavis") == official
    assert normalised(text, "evalai") == evalai


def test_only_the_first_32_periods_go():
    assert normalised("a." * 40) == "a" * 32 + "a." * 8


def test_a_mark_beside_a_blank_vanishes_and_elsewhere_becomes_a_blank():
    assert without_punctuation("a-b") == "a b"
    assert without_punctuation("a -b") == "a b"
    assert without_punctuation("a- b-c") == "a bc"  # one of the two touches a blank: both vanish
    assert without_punctuation("a-b; c") == "a b c"  # looked at mark by mark
    assert without_punctuation("a-b 1,000") == "ab 1000"  # a comma in a number: all marks vanish


def test_blanks_are_seen_in_the_original_text_only():
    assert without_punctuation("a/-b") == "a  b"  # the blank that came from the slash does not count


def test_marks_that_stay():
    assert set(PUNCTUATION).isdisjoint("'.:$%&*#")
    assert normalised("it's: 5% & #1 * $2") == "it's: 5% & #1 * $2"


def test_line_breaks_and_tabs():
    assert trimmed(" red\tand\nblue\n") == "red and blue"
    assert normalised("\tred\nblue ") == "red blue"


def test_digits_go_from_none_to_ten():
    words = "none zero one two three four five six seven eight nine ten"
    assert normalised(words) == "0 0 1 2 3 4 5 6 7 8 9 10"
    assert len(DIGITS) == 12


def test_contractions_hold_the_errors_of_the_official_table():
    assert len(CONTRACTIONS) == 120
    assert normalised("somebody'd") == "somebodyd"
    for never in ("Id've", "I'dve", "Im", "Ive"):
        assert never in CONTRACTIONS
        assert normalised(never) == never.lower()
    assert normalised("yalldve") == "yalldve"  # not in the table
    assert normalised("y'alld've 'ows'at twas oclock") == "y'all'd've 'ow's'at 'twas o'clock"
    assert all(key.replace("'", "") == word.replace("'", "") for key, word in CONTRACTIONS.items())


def test_vizwiz_curls_apostrophes():
    curly = "\u2019"
    assert normalised("dont", "vizwiz") == f"don{curly}t"
    assert normalised("couldnt weve wheres whove cant", "vizwiz") == "couldn't we've where's who've can't"
    assert normalised("couldn'tve hadn'tve", "vizwiz") == f"couldn{curly}t{curly}ve hadn{curly}t{curly}ve"
    assert normalised("wouldn'tve", "vizwiz") == "wouldn'tve"  # only its curly key is known
    assert normalised(f"wouldn{curly}tve", "vizwiz") == f"wouldn{curly}t{curly}ve"
    assert len(CURLED_CONTRACTIONS) == 120


def test_another_profile_is_named():
    assert PROFILES == ("vqa-official-2021", "vqa-lavis", "evalai", "vizwiz")
    with pytest.raises(UnknownNameError, match="did you mean 'vizwiz'"):
        normalised("x", "viswiz")
