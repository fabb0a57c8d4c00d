"""Marks and words of the official VQA evaluator (GT-Vision-Lab/VQA, 2021), its errors included."""

# No apostrophe, period, colon, $, %, & or *: these stay.
PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
ARTICLES = frozenset({"a", "an", "the"})
_DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
DIGITS = {word: str(digit) for digit, word in enumerate(_DIGIT_WORDS)} | {"none": "0"}

# Words that only lost their apostrophes, with them. Upper case never matches a text that is in lower case by then.
_WITH_APOSTROPHES = """
    ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's I'm
    I've isn't it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've
    shouldn't somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd there're
    there's they'd they'll they're they've 'twas wasn't we've weren't what'll what're what's what've when's where'd
    where's where've who'd who'll who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're
    you've
"""
# Words in which the first or the second of two apostrophes is missing.
_WITH_TWO = """
    couldn't've hadn't've he'd've I'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've
    something'd've there'd've they'd've we'd've who'd've wouldn't've y'all'll you'd've
"""
CONTRACTIONS = {word.replace("'", ""): word for word in _WITH_APOSTROPHES.split()}
for _word in _WITH_TWO.split():
    _start, _middle, _end = _word.split("'")
    CONTRACTIONS |= {f"{_start}{_middle}'{_end}": _word, f"{_start}'{_middle}{_end}": _word}
CONTRACTIONS |= {
    **dict.fromkeys(("ow's'at", "'ows'at", "'ow'sat"), "'ow's'at"),
    **dict.fromkeys(("yall'd've", "y'alld've", "y'all'dve"), "y'all'd've"),
    "let's": "let's",
    "she's": "she's",
    "somebody'd": "somebodyd",  # the table's own error
}

# VizWiz's copies went through an editor that curled the apostrophes, of keys too, except these.
_STRAIGHT_KEYS = frozenset({"couldn'tve", "hadn'tve"})
_STRAIGHT_WORDS = frozenset({"ain't", "aren't", "can't", "could've", "couldn't", "we've", "where's", "who've"})
CURLED_CONTRACTIONS = {
    key if key in _STRAIGHT_KEYS else key.replace("'", "\u2019"): (
        word if word in _STRAIGHT_WORDS else word.replace("'", "\u2019")
    )
    for key, word in CONTRACTIONS.items()
}
