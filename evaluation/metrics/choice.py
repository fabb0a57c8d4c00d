"""Multiple choice: which option an answer means, and the share of right ones."""

import re
from collections.abc import Sequence

from ib_data.evaluation.metrics.aligned import require_aligned
from ib_data.evaluation.metrics.scores import Scores, mean_scores

_LEAD = re.compile(r"(?:(?:the|my) )?(?:(?:correct|right|best) )?(?:answer|option)(?:\s*:| is:?)?\s+", re.IGNORECASE)
# "(b)" or "(b) a text"; "B." or "B: a text"; "b" alone. "A dog" is an article, "a. dog" is a letter.
_LETTER = re.compile(r"\(([a-z])\)(?!\w)|([a-z])[.):](?=\s|$)|([a-z])$", re.IGNORECASE)


def choice_accuracy(
    choices: Sequence[int | None], right: Sequence[int], options: Sequence[Sequence[str]] | None = None
) -> Scores:
    """The share of right choices, by index; None is wrong. ValueError if lengths differ.

    With the `options` of each example, another option of the same text is right too: A-OKVQA repeats some, and its
    official scorer compares texts.
    """
    require_aligned(choices=choices, right=right, options=right if options is None else options)
    if options is None:
        return mean_scores([choice == index for choice, index in zip(choices, right, strict=True)])
    triples = zip(choices, right, options, strict=True)
    return mean_scores([choice is not None and texts[choice] == texts[index] for choice, index, texts in triples])


def letter_choice(answer: str, options: Sequence[str]) -> int | None:
    """The index of the option that a generated answer means, or None if that is unclear.

    It is named by its letter ("(b)", "b", "B.", "B: a dog", "The answer is B.") or by its whole text, without case and
    final period. Of two equal texts the first is meant. None for a letter beyond the options, for words around a
    text, and for a bare letter that is also the text of another option. ScienceQA's own code draws an option instead.
    """
    rest = answer.strip()
    if lead := _LEAD.match(rest):
        rest = rest[lead.end() :]
    texts = [_plain(option) for option in options]
    by_text = next((texts.index(text) for text in (_plain(answer), _plain(rest)) if text and text in texts), None)
    letter = _LETTER.match(rest)
    if letter is None:
        return by_text
    by_letter = ord((letter[1] or letter[2] or letter[3]).lower()) - ord("a")
    if by_letter >= len(options):
        return by_text
    return by_letter if by_text in (None, by_letter) else None


def _plain(text: str) -> str:
    return text.strip().removesuffix(".").strip().casefold()
