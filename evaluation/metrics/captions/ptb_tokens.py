"""The tokeniser of the official caption metrics (Penn Treebank rules, lower case, punctuation removed), in Python."""

import re
from functools import lru_cache

# Abbreviations that keep their period, in any case; those that do so only with a capital; those only before a number.
ABBREVIATIONS = """
adj adm adv al ala alex apr ariz assn assoc asst aug ave bancorp bhd bldg blvd brig bros calif capt cf cmdr co col colo
comdr conn corp cos cpl ct dak dec dept det dr drs ens esq est etc ext feb fla fri ft ga gen gov hon inc ind insp invt
jan jr jul jun kan kans ky lieut lt ltd maj mar md messrs mfg mich minn mlle mme mo mon mont mr mrs ms msgr mt neb nev
nov oct okla penn pfc ph plc pres prof pty pvt rd rep reps rev rt sen sens sep sept seq sfc sgt sq sr st ste sup supt
tel tenn thu thurs tue tues univ va vs vt wed wis wisc wyo
"""
CAPITALISED = "ark az del ill la mass miss ore pa tex wash"
BEFORE_NUMBERS = "art ca fig figs no nos op pp prop"
# Words of two tokens, by the length of the first.
JOINED = {"cannot": 3, "gonna": 3, "gotta": 3, "lemme": 3, "gimme": 3, "wanna": 3}
REMOVED = frozenset(("''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"))
BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
SYMBOLS = {"\u20ac": "$", "\u00a3": "#", "\u00a2": "cents", "\u00a4": "$"}  # euro, pound, cent, currency
SYMBOLS |= {"\u00bd": "1/2", "\u00bc": "1/4", "\u00be": "3/4", "\u2153": "1/3", "\u2154": "2/3"}
QUOTES = "\"\u201c\u201d\u00ab\u00bb\u2018\u2039\u203a\u2013\u2014\u2026"  # also dashes and dots: all are removed

_A = "['\u2019]"  # an apostrophe
_L = r"[^\W\d_]"  # a letter
_W = r"[^\W_]"  # a letter or digit
_ABBREVIATION = "|".join(ABBREVIATIONS.split())
_CAPITALISED = "|".join(f"{word.title()}|{word.upper()}" for word in CAPITALISED.split())
_SUFFIX = rf"{_A}(?:[sdm]|re|ve|ll)(?!{_W})"
_TOKEN = re.compile(
    rf"""
      (?P<tag> </?[A-Za-z!?][^<>]*> | <</?> )
    | https?://[^\s"<>()]*[^\s"<>().,?!;:'] | www\.[^\s"<>()]*[^\s"<>().,?!;:']
    | [\w.+-]+@{_W}+(?:[.-]{_W}+)* | @[A-Za-z_]\w* | \#[A-Za-z]\w*
    | :'?-?(?P<face> [()DPp]) (?!{_W}) | [;=]-?[()DPpd] (?!{_W})
    | (?P<joined> (?i:cannot|gonna|gotta|lemme|gimme|wanna)) (?!{_W}|-)
    | (?i:{_A}t)(?=(?i:is|was)(?!{_W}))
    | {_A}\d\ds?(?!{_W}) | {_A}n{_A}? (?!{_W}) | {_A}(?:em|til|cause)(?!{_W})
    | (?i:{_SUFFIX}) | (?i:n{_A}t)(?!{_W})
    | (?:(?i:{_ABBREVIATION})|{_CAPITALISED})\.(?!{_W}) | (?i:no|nos|fig|figs|pp|op|art|prop|ca)\.(?=\d)
    | (?:{_L}\.)+{_L}?(?:-{_W}+)*(?!{_W}) | (?:Ph|ph|PH)\.[Dd]\.
    | {_L}+(?=(?i:n{_A}t)(?!{_W}))
    | [A-Z]+(?:&[A-Z]+)+
    | (?i:[dlo]{_A}{_L}+|{_L}*{_L}{_A}clock|ma{_A}am|li{_A}l|c{_A}mon|ol{_A}|y{_A}(?=all|know)|s{_A}more\w*|[en]e{_A}er)
    | [+-]?\d+(?:[,.:]\d+)+(?:-{_W}+)* | [+-]?\.\d+ | \d+/\d+/\d+ | \d+[/]\d+\w*
    | [+-]\d+(?![\w])
    | {_W}+(?:_+{_W}+)*(?:[-/.]{_W}+)*\+\+ | (?:{_L}+[.])+{_L}+
    | {_W}+(?:_+{_W}+)*(?:[-/]{_W}+)*
    | [!?]{{2,}} | \*+ | _+ | --+ | \#\#+ | @+ | .
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=1 << 17)
def _chunk_text(chunk: str) -> str:
    """The tokens of a piece of text without blanks, joined by spaces."""
    if chunk.isalpha() and chunk.isascii() and (low := chunk.lower()) not in JOINED:
        return low
    return " ".join(found for match in _TOKEN.finditer(chunk) if (found := _form(match)))


def _form(match: re.Match[str]) -> str:
    token = match[0].lower()
    if token in REMOVED or token in QUOTES or token.startswith("--"):
        return ""
    if token in JOINED:
        at = JOINED[token]
        return f"{token[:at]} {token[at:]}"
    if token in BRACKETS:
        return BRACKETS[token]
    return SYMBOLS.get(token, token)


def tokenised_text(caption: str) -> str:
    """The tokens of a caption, joined by spaces."""
    return " ".join(filter(None, map(_chunk_text, caption.split())))


def tokens(caption: str) -> list[str]:
    """The tokens of a caption."""
    return tokenised_text(caption).split(" ")
