"""What is built of each member of a mixture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ib_data.annotation_fields import promised_fields
from ib_data.cards import Card, card_names, load_card
from ib_data.errors import DataError, IbDataError, did_you_mean
from ib_data.home import Home
from ib_data.mixtures.spec.mixture import COUNTS, Member, Mixture
from ib_data.mixtures.spec.weights import drawn_names
from ib_data.stored.built_split import BuiltSplit, NotBuiltError, open_built
from ib_data.stored.store import LocalStore, Store
from ib_data.tasks import TASKS
from ib_data.templates.renderer import Renderer


@dataclass(frozen=True)
class Source:
    """A member, its card, and the manifest of its built split, or None if it is not built.

    A view (such as `vqav2_qg`) reads the split of its base. The card's task is the one that the member asks for.
    """

    member: Member
    card: Card | None
    built: BuiltSplit | None

    @property
    def num_built(self) -> int | None:
        """The number of built annotations, or None if the split is not built."""
        return None if self.built is None else len(self.built)

    @property
    def num_built_as_pinned(self) -> int | None:
        """What is built, in the unit of the pinned size, or None if the split is not built."""
        return self._num_conversations if self.member.counts == "conversations" else self.num_built

    def epoch_size(self, turns: str) -> int:
        """The positions in an epoch, with the turns of a conversation rendered as "each" or as one "chat".

        Counts what is built, or the pinned size if nothing is.
        """
        built = self._num_conversations if turns == "chat" else self.num_built
        return built or self.member.size

    @cached_property
    def _num_conversations(self) -> int | None:
        return self.built.num_conversations if self.built else self.num_built


def sources(place: Home | Store, mixture: Mixture) -> dict[str, Source]:
    """The source of each member in a home or an object store, by member name, in the order of the spec."""
    store = LocalStore(place) if isinstance(place, Home) else place
    return {member.name: _source(store, member) for member in mixture.members}


def differing_sizes(mixture: Mixture, found: Mapping[str, Source]) -> list[str]:
    """A phrase for each member that a stage draws from and whose built size differs from the pinned size.

    Both are in the unit of the pinned size, annotations or conversations, however the mixture renders.
    """
    phrases = []
    for name in drawn_names(mixture):
        member, built = found[name].member, found[name].num_built_as_pinned or 0
        if built != member.size:
            unit = "" if member.counts == COUNTS[0] else f" {member.counts}"
            phrases.append(f"{name} {member.size:,}{unit} pinned, {built:,} built")
    return phrases


def require_known(mixture: Mixture) -> None:
    """Raise IbDataError for a member with an unknown dataset, an unknown split, or a task that does not fit."""
    for member in mixture.members:
        if member.dataset not in card_names():
            near = did_you_mean(member.dataset, card_names())
            raise IbDataError(f"mixture {mixture.name}: unknown dataset {member.dataset!r}; {near}")
        card = load_card(member.dataset)
        if member.split not in card.splits:
            problem = f"mixture {mixture.name}: there is no split {member.split!r}"
            raise DataError(member.dataset, problem, remedy=f"known: {', '.join(card.splits)}")
        if member.task:
            _require_usable_task(mixture, member, card)


def _require_usable_task(mixture: Mixture, member: Member, card: Card) -> None:
    """Raise DataError if no template of the member's task fits the fields that the card promises."""
    fields = card.splits[member.split].fields
    assert member.task is not None
    if not _serves(fields, member.task):
        usable = [task for task in TASKS if _serves(fields, task)]
        problem = f"mixture {mixture.name}: task {member.task!r} cannot be rendered from {', '.join(fields)}"
        remedy = f"of the {member.split} split that is enough for: {', '.join(usable) or 'no task'}"
        raise DataError(member.dataset, problem, remedy=remedy)


def _serves(fields: Sequence[str], task: str) -> bool:
    """Whether a training template of the task fits annotations that have at least `fields`."""
    return bool(Renderer().fitting(task, promised_fields(fields)))


def _source(store: Store, member: Member) -> Source:
    if member.dataset not in card_names():
        return Source(member, None, None)
    card = load_card(member.dataset)
    if member.task:
        card = replace(card, task=member.task)
    try:
        return Source(member, card, open_built(store, card.stored_as, member.split))
    except NotBuiltError:
        return Source(member, card, None)
