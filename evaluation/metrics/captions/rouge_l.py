"""ROUGE-L: the longest common subsequence of words with a reference."""

from collections.abc import Sequence

from ib_data.evaluation.metrics.captions.texts import compared
from ib_data.evaluation.metrics.scores import Scores, mean_scores

BETA = 1.2  # recall weighs more than precision


def rouge_l(predictions: Sequence[str], references: Sequence[Sequence[str]], *, tokenised: bool = False) -> Scores:
    """ROUGE-L of the official caption scorer: best precision and best recall over the references, beta 1.2.

    The two may come from two references. An empty prediction scores 0, except against an empty reference, as there.
    Raises IbDataError if the lengths differ or an image has no reference.
    """
    hypotheses, targets = compared(predictions, references, tokenised=tokenised)
    forms = list(zip(hypotheses, targets, strict=True))
    return mean_scores([_value(*form) for form in forms], forms=forms)


def _value(hypothesis: str, references: Sequence[str]) -> float:
    words = hypothesis.split(" ")
    places: dict[str, int] = {}
    for place, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << place
    precision = recall = 0.0
    for reference in references:
        others = reference.split(" ")
        common = _common(places, len(words), others)
        precision, recall = max(precision, common / len(words)), max(recall, common / len(others))
    if not precision:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _common(places: dict[str, int], num_words: int, others: Sequence[str]) -> int:
    """Length of the longest common subsequence, one addition a word: the rows of the table are bits of an integer.

    `places`: of each word, the bits of its positions. A cleared bit is a step of the table's last row
    (Hyyro, "Bit-parallel LCS-length computation revisited", 2004).
    """
    whole = (1 << num_words) - 1
    row = whole
    for word in others:
        matches = row & places.get(word, 0)
        row = ((row + matches) | (row - matches)) & whole
    return num_words - row.bit_count()
