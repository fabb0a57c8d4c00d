"""Answers as the VQA evaluators compare them."""

import re
from functools import lru_cache

from ib_data.errors import UnknownNameError, did_you_mean
from ib_data.evaluation.metrics.vqa_words import ARTICLES, CONTRACTIONS, CURLED_CONTRACTIONS, DIGITS, PUNCTUATION

PROFILES = ("vqa-official-2021", "vqa-lavis", "evalai", "vizwiz")
_ANY_MARK = re.compile(f"[{re.escape(PUNCTUATION)}.]")
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
# The official look-behind for a digit is mistyped and never fires, so the period of "3." goes too.
_PERIOD = re.compile(r"\.(?!\d)")
_MAX_PERIODS = 32  # the official code passes the flag re.UNICODE, which is 32, as the number of substitutions


# Measured on one slow core: 3 to 10 us at first, 0.25 us from the cache. The 2.4 million answers of 214,000 questions
# hold few thousand texts, and take 3.3 s.
@lru_cache(maxsize=1 << 18)
def normalised(text: str, profile: str = "vqa-official-2021") -> str:
    """`text` after the punctuation step, then the digit and article step, as `profile` normalises a prediction.

    `vqa-lavis` does as the official code. `evalai` first separates 's and drops commas and question marks. `vizwiz`
    writes contractions with curly apostrophes. May be empty. Raises UnknownNameError for another profile.
    """
    if profile not in PROFILES:
        raise UnknownNameError(f"unknown profile {profile!r}; {did_you_mean(profile, PROFILES)}")
    if profile == "evalai":
        text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    words = CURLED_CONTRACTIONS if profile == "vizwiz" else CONTRACTIONS
    return _simple_words(without_punctuation(trimmed(text)), words)


def trimmed(text: str) -> str:
    """`text` without outer blanks, each line break and tab inside as a blank."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def without_punctuation(text: str) -> str:
    """The punctuation step: marks become blanks, or nothing where they touch a blank or a number has a comma."""
    if not _ANY_MARK.search(text):
        return text
    is_joined = _COMMA_IN_NUMBER.search(text) is not None
    found = text
    for mark in PUNCTUATION:
        if mark in text:
            touches_blank = f"{mark} " in text or f" {mark}" in text
            found = found.replace(mark, "" if is_joined or touches_blank else " ")
    return _PERIOD.sub("", found, count=_MAX_PERIODS)


def _simple_words(text: str, contractions: dict[str, str]) -> str:
    """The digit and article step: lower case, digits for none to ten, no articles, contractions with apostrophes."""
    digits = [DIGITS.get(word, word) for word in text.lower().split()]
    return " ".join(contractions.get(word, word) for word in digits if word not in ARTICLES)
