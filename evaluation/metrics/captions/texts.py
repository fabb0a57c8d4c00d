"""Captions as the metrics compare them: tokenised, with spaces between the tokens."""

from collections.abc import Sequence

from ib_data.errors import IbDataError
from ib_data.evaluation.metrics.captions.ptb_tokens import tokenised_text


def compared(
    predictions: Sequence[str], references: Sequence[Sequence[str]], *, tokenised: bool
) -> tuple[list[str], list[tuple[str, ...]]]:
    """The tokenised texts of predictions and references. `tokenised`: they are already, and stay as they are.

    Repeated references stay: the official scorer counts each. Raises IbDataError if the lengths differ or an image has
    no reference, naming its index.
    """
    if len(predictions) != len(references):
        raise IbDataError(f"{len(predictions)} predictions, but references of {len(references)} images; align them")
    for index, texts in enumerate(references):
        if isinstance(texts, str) or not texts:
            found = "a string" if isinstance(texts, str) else "an empty list"
            raise IbDataError(
                f"image {index} has no list of references, but {found}; give at least one, or leave it out"
            )
    if tokenised:
        return list(predictions), [tuple(texts) for texts in references]
    return [*map(tokenised_text, predictions)], [tuple(map(tokenised_text, texts)) for texts in references]
