"""The tokeniser of the official caption metrics, in Python: Penn Treebank rules, lower case, punctuation removed.

Written from observed behaviour of the Java original (CoreNLP 3.4.1 as the COCO scorer calls it), which has the quirks
kept here: brackets become -lrb- and stay, `!!` stays, some abbreviations keep their period. What still differs:
- an initial that ends a caption ("row b."): Java looks at the next caption, and splits the period off if that begins
  with one of `SENTENCE_STARTS`. Here a caption stands alone, and the period stays.
- numbers and letters mixed over hyphens and slashes, as in file names (`b1dd-8b5.jpg`).
- rows of three or more long numbers ("100 101 100 102"), two short years ("'50-'60"), a comma after `half@half`.
- rare smileys, paths after web addresses of unknown domains, addresses inside < > or quotes, symbols and scripts that
  need several code points.
"""

import re
from functools import lru_cache

# Abbreviations that keep their period: in any case, only with a capital, only right before a number.
ABBREVIATIONS = """
adj adm adv al ala alex apr ariz assn assoc asst aug ave bancorp bhd bldg blvd brig bros calif capt cf cmdr co col colo
comdr conn corp cos cpl ct dak dec dept det dr drs ens esq est etc ext feb fla fri ft ga gen gov hon inc ind insp invt
jan jr jul jun kan kans ky lieut lt ltd maj mar md messrs mfg mich minn mlle mme mo mon mont mr mrs ms msgr mt neb nev
nov oct okla penn pfc ph plc pres prof pty pvt rd rep reps rev rt sen sens sep sept seq sfc sgt sq sr st ste supt tel
tenn thu thurs tue tues univ va vs vt wed wis wisc wyo
"""
CAPITALISED = "ark az del ill la mass miss ore pa tex wash"
BEFORE_NUMBERS = "art ca fig figs no nos op pp prop"
# A period between a single letter and one of these ends a sentence.
SENTENCE_STARTS = """
A About According Additionally After An As At But Earlier He Her Here However If In It Last Many More Now Once One Other
Our She Since So Some Such That The Their Then There These They This We What When While Yet You
"""
SPLIT_WORDS = {"cannot": 3, "gonna": 3, "gotta": 3, "lemme": 3, "gimme": 3, "wanna": 3}  # letters of the first token
# Removed after tokenising, as in the scorer. Dashes, dots and quotes that Java maps to one of these are here as well.
REMOVED = {*".?!,:;-`'\"", *"\u201c\u201d\u00ab\u00bb\u2018\u2019\u2039\u203a\u2013\u2014\u2026", "&quot;", "&nbsp;"}
REWRITTEN = {
    **{"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"},
    **{"\u20ac": "$", "\u00a4": "$", "\u00a3": "#", "\u00a2": "cents"},
    **{"\u00bd": "1/2", "\u00bc": "1/4", "\u00be": "3/4", "\u2153": "1/3", "\u2154": "2/3"},
    **{"&amp;": "&", "&lt;": "<", "&gt;": ">"},
}

# Python counts these numerals as letters and leaves out these marks; Java does neither.
_NUMERALS = "\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u2089\u2150-\u2189\u2460-\u249b"
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u065f\u0900-\u0dff\u0e30-\u0e4e"
_L = rf"(?:[^\W\d_{_NUMERALS}][{_MARKS}]*)"  # a letter
_W = rf"(?:[^\W_{_NUMERALS}][{_MARKS}]*)"  # a letter or digit
_END = rf"(?!{_W})"
_A = "['\u2019]"  # an apostrophe
_SUFFIX = rf"(?:{_A}(?:[sdm]|re|ve|ll)){_END}"
_NOT = "n['\u2019`]t"
_ABBREVIATION = "|".join(ABBREVIATIONS.split())
_CAPITALISED = "|".join(f"{word.title()}|{word.upper()}" for word in CAPITALISED.split())
_NUMBERED = rf"(?:{'|'.join(BEFORE_NUMBERS.split())})\."
_TOKEN = re.compile(  # the first that matches wins, so longer forms come before their parts
    rf"""
      \.{{2,}}(?!\d) | </?[A-Za-z!?][^<>]*> | &(?:amp|lt|gt|quot|nbsp);
    | (?i:https?://|www\.)[^\s"<>()]*[^\s"<>().,?!;:'] | [\w.+-]{{1,64}}@{_W}+(?:[.-]{_W}+)*
    | @[A-Za-z_]\w* | \#[A-Za-z]+
    | (?P<bracketed> \(\d{{3}}\)\xa0[\d\xa0-]+ | [:;=]['-]?[()DPp|\\3O0\[\]]{_END} | \(?\^_+\^\)? ) | [>=-]_+[<=-]
    | (?P<split> (?i:{"|".join(SPLIT_WORDS)})(?![\w-]) )
    | (?i:{_A}t)(?=(?i:is|was){_END}) | {_A}\d\ds?{_END} | {_A}[nN](?:{_A}|{_END}) | (?i:{_A}(?:em|till?|cause){_END})
    | (?P<suffix> (?i:{_SUFFIX}|{_NOT}{_L}*) ) | {_L}+(?=(?i:{_NOT}))
    | (?:(?i:{_ABBREVIATION})|{_CAPITALISED})\.{_END} | (?i:{_NUMBERED})(?=\xa0?\d) | [Pp][Hh]\.[Dd]\.
    | (?:(?:{_W}+-)*(?:{_L}\.){{2,}}{_L}?|{_L}\.{_L}?)(?:-{_W}+)*{_END} | {_L}\.(?=\d) | {_L}+\.-{_W}+
    | {_W}+(?:[-_]{_W}+)*\.(?=[,;:]) | {_L}+(?:[.!?]{_L}+)+
    | [A-Z]+(?:&[A-Z]+)+ | [A-Za-z]+\+\+ | [CcFf]\#(?!\w) | (?i:anti|pro)-{_END} | (?:US|C)\$
    | (?i:[dlo]{_A}{_L}{{2,}}|ma{_A}am|li{_A}l|c{_A}mon|cap{_A}n|s{_A}more\w*|[en]e{_A}er|(?:ol|somethin|dunkin){_A})
    | (?i:[djly]{_A}(?!(?:[sdm]|re|ve|ll){_END})) | {_L}+[aeiou]{_A}[aeiouA-Z]{_L}*
    | [+-]?\d+(?:[.,]\d+)+(?:-{_W}+)* | [+-]?\d*(?::\d+)+ | [+-]?\.\d+ | \d+(?:\xa0[\d/]+)+ | [+-]\d+
    | {_W}+(?:-{_W}+)*(?:/{_W}+(?:-{_W}+)*){{1,2}}(?!_) | {_W}+(?:(?:[-\u2010\u2011]|_+){_W}+)*
    | [!?]{{2,}} | \*+ | _{{2,}} | --+ | \#\#+ | @+ | <<|>>
    | [^\U00010000-\U0010ffff\u200b-\u200f\ufe0f\ufeff\ufffd\xa0]
    """,
    re.VERBOSE,
)
# What goes over a blank: mixed fractions, phone numbers, tags with attributes, "no. 5".
_OVER_BLANKS = re.compile(
    r"\b\d+ \d+/\d+\b|\(\d{3}\) \d{3}[- ]\d{4}\b|\b\d{2,4} \d{3,4} \d{3,5}\b"
    rf"|</?[A-Za-z!][^<>]* [^<>]*>|\b(?i:{_NUMBERED}) \d"
)
_MAY_GO_OVER = re.compile(r"[\d<]")
_ENDS_SENTENCE = re.compile(rf"(?<![\w.'-])([A-Za-z])\.(?= (?:{'|'.join(SENTENCE_STARTS.split())})(?![^ ]))")


def tokenised_text(caption: str) -> str:
    """The tokens of a caption, joined by spaces. A mixed fraction (1 1/2) has a no-break space inside, as from Java."""
    words = caption.split()
    if ". " in caption or _MAY_GO_OVER.search(caption):
        text = _ENDS_SENTENCE.sub(r"\1 .", " ".join(words))
        words = _OVER_BLANKS.sub(lambda found: found[0].replace(" ", "\xa0"), text).split(" ")
    return " ".join(filter(None, map(_word_tokens, words)))


def tokens(caption: str) -> list[str]:
    """The tokens of a caption, as the official scorer compares them."""
    text = tokenised_text(caption)
    return text.split(" ") if text else []


@lru_cache(maxsize=1 << 17)  # captions have few distinct words: a look-up is 20 times as fast as the rules
def _word_tokens(word: str) -> str:
    """The tokens of a piece of text without blanks, joined by spaces."""
    return " ".join(form for found in _TOKEN.finditer(word.replace("\xad", "")) if (form := _form(found)))


def _form(found: re.Match[str]) -> str:
    """A token as it is compared; empty if it is removed."""
    token = found[0].lower()
    if token in REMOVED or token.startswith(("--", "..")):
        return ""
    if found.lastgroup == "split":
        return f"{token[: SPLIT_WORDS[token]]} {token[SPLIT_WORDS[token] :]}"
    if found.lastgroup == "suffix":
        return token.replace("\u2019", "'")
    if found.lastgroup == "bracketed":
        return token.replace("(", "-lrb-").replace(")", "-rrb-")
    return REWRITTEN.get(token, token)
