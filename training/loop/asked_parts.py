"""Which cases a scoring asks: of each member a pinned part of the split that its protocol evaluates."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any

from ib_data.cards import Card, load_card
from ib_data.evaluation.case import Case
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.protocols.read import methods_of, protocol_of
from ib_data.evaluation.run.cases import CaseMaker
from ib_data.evaluation.run.vocabulary import vocabulary_of
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.stream.pinned_pass import VALIDATION
from ib_data.stored.built_split import BuiltSplit, NotBuiltError, open_built
from ib_data.stored.store import Store
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.renderer import Renderer

# Not a seed of the run: scores of runs with different seeds are over the same questions.
_SEED = 0
_TOKEN_LOSS = "token-loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPart:
    """Pinned cases of a dataset and how they are asked and scored; `is_trained_on`: the mixture draws from their split.

    `identity` are JSON values of all that decides the questions.
    """

    protocol: Protocol
    built: BuiltSplit
    cases: Sequence[Case]
    is_trained_on: bool
    identity: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedParts:
    """The parts of all members, and the names of members without one by reason."""

    parts: Sequence[AskedPart]
    missing: Mapping[str, Sequence[str]]

    def names(self, *, is_trained_on: bool | None = None) -> list[str]:
        """The datasets, each once: all, or only those whose split the mixture draws from, or does not."""
        wanted = [part for part in self.parts if is_trained_on in (None, part.is_trained_on)]
        return list(dict.fromkeys(part.protocol.dataset for part in wanted))

    def fingerprint(self) -> str:
        """SHA-256 in hex of all that decides the questions: only scores with the same one may be compared."""
        return sha256(dumps([part.identity for part in self.parts], sort_keys=True).encode()).hexdigest()


def asked_parts(store: Store, mixture: Mixture, number: int, templates: Path | None) -> AskedParts:
    """The parts of the members of a mixture: up to `number` cases of each, chosen by a fixed key.

    A member is asked about the split of its card's protocol or, if the mixture trains on that one, about its validation
    split. One without any other split is asked about what it trains on, and marked so. Raises DataError for a damaged
    build or card.
    """
    renderer = Renderer(Library(templates) if templates else PACKAGED, _SEED, mixture.render)
    drawn = {(load_card(member.dataset).stored_as, member.split) for member in mixture.members}
    parts: dict[str, list[AskedPart]] = {}
    missing: dict[str, list[str]] = {}
    for member in mixture.members:
        if member.dataset in parts:
            continue
        try:
            parts[member.dataset] = list(_parts_of(store, member, drawn, number, renderer))
        except _NotAskedError as reason:
            missing.setdefault(str(reason), []).append(member.name)
    return AskedParts(parts=[part for found in parts.values() for part in found], missing=missing)


class _NotAskedError(Exception):
    """Why a member is not scored."""


def _parts_of(
    store: Store, member: Member, drawn: Collection[tuple[str, str]], number: int, renderer: Renderer
) -> Iterator[AskedPart]:
    card = load_card(member.dataset)
    if member.task:
        raise _NotAskedError("views with templates of another task")
    if not methods_of(card):
        raise _NotAskedError("no protocol in its card")
    split = _split(card, drawn)
    built = _built(store, card, split, renderer)
    for protocol in protocols_of(card, split):
        vocabulary = _vocabulary(store, card, protocol)
        maker = CaseMaker(card=card, protocol=protocol, renderer=renderer, vocabulary=vocabulary)
        cases = maker.cases(built, number)
        if not cases:
            raise _NotAskedError(f"no case in its {split} split")
        identity = {
            "protocol": asdict(protocol),
            "build": built.fingerprint,
            "templates": renderer.digest(card),
            "render": asdict(renderer.options),
            "num_cases": len(cases),
            "num_words": len(vocabulary),
        }
        yield AskedPart(
            protocol=protocol,
            built=built,
            cases=cases,
            is_trained_on=(card.stored_as, split) in drawn,
            identity=identity,
        )


def _split(card: Card, drawn: Collection[tuple[str, str]]) -> str:
    """The split of the protocol, or the validation split if the mixture trains on the first one alone."""
    split = protocol_of(card).split
    if (card.stored_as, split) in drawn and VALIDATION in card.splits and (card.stored_as, VALIDATION) not in drawn:
        return VALIDATION
    return split


def protocols_of(card: Card, split: str) -> list[Protocol]:
    """That of the card and, for long answers such as LLaVA's, the loss of the reference's tokens."""
    found = [protocol_of(card, split=split)]
    if "rank" in methods_of(card):
        ranked = protocol_of(card, split=split, method="rank")
        if ranked.metric == _TOKEN_LOSS and ranked != found[0]:
            found.append(ranked)
    return found


def _built(store: Store, card: Card, split: str, renderer: Renderer) -> BuiltSplit:
    """The built split. Raises _NotAskedError if it cannot be scored."""
    if renderer.hides_targets(card, split):
        raise _NotAskedError(f"{split} split hides the answers")
    try:
        built = open_built(store, card.stored_as, split)
    except NotBuiltError:
        raise _NotAskedError(f"{split} split not built") from None
    if not len(built):
        raise _NotAskedError(f"{split} split is empty")
    if built.rows.media_sha256(0) is None:
        raise _NotAskedError(f"{split} split was built without images")
    return built


def _vocabulary(store: Store, card: Card, protocol: Protocol) -> tuple[str, ...]:
    """The training answers if they are the candidates."""
    if protocol.candidates != "vocabulary":
        return ()
    try:
        return vocabulary_of(store, card, protocol.vocabulary_least)
    except NotBuiltError:
        raise _NotAskedError("train split, whose answers are the candidates, not built") from None
