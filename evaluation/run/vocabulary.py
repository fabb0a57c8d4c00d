"""The answers of a training split: candidates of ranking, and the closed vocabulary of some metrics."""

from collections import Counter

from ib_data.cards import Card
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.home import Home
from ib_data.stored.built_split import NotBuiltError, open_built
from ib_data.stored.store import Store


def vocabulary_of(store: Store, card: Card, least: int) -> tuple[str, ...]:
    """The distinct answers that at least `least` annotators of the training split gave, the most frequent first.

    Equally frequent ones are in the order of their characters. Raises NotBuiltError if the split is not built.
    """
    counts: Counter[str] = Counter()
    for batch in open_built(store, card.stored_as, "train").batches(["answers"]):
        for answers in batch.column("answers").to_pylist():
            for answer in answers or ():
                counts[answer["text"]] += answer["count"]
    kept = [(text, count) for text, count in counts.items() if count >= least]
    return tuple(text for text, _ in sorted(kept, key=lambda pair: (-pair[1], pair[0])))


def require_vocabulary(place: Home | Store, card: Card, protocol: Protocol) -> None:
    """Raise NotBuiltError if the training answers are the candidates of the protocol, and are not built."""
    if protocol.candidates != "vocabulary":
        return
    try:
        open_built(place, card.stored_as, "train")
    except NotBuiltError as error:
        why = "the candidates are the answers of its training split, which is not built"
        remedy = f"run `ib-data build {card.stored_as} --split train`, or add --method generate"
        raise NotBuiltError(f"{card.name}: {why}; {remedy}") from error


def known_vocabulary(store: Store, card: Card, protocol: Protocol) -> tuple[str, ...] | None:
    """The vocabulary of a protocol; None if it has none, or if the training split is not built."""
    if not protocol.vocabulary_least:
        return None
    try:
        return vocabulary_of(store, card, protocol.vocabulary_least)
    except NotBuiltError:
        return None
