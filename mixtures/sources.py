"""What a home holds of each member of a mixture."""

from dataclasses import dataclass
from pathlib import Path

from ib_data.builders.manifest import Manifest, read_manifest
from ib_data.cards import Card, card_names, load_card
from ib_data.errors import DataError, IbDataError, did_you_mean
from ib_data.home import Home
from ib_data.mixtures.spec import Member, Mixture, load_mixture


@dataclass(frozen=True, slots=True)
class Source:
    """A member, its card, and the folder and manifest of the split that holds it; None where there is none.

    A view (such as `vqav2_qg`) stands on the shards of its base.
    """

    member: Member
    card: Card | None
    folder: Path | None
    manifest: Manifest | None

    @property
    def num_built(self) -> int | None:
        """How many annotations are built; None where the split is not built."""
        return self.manifest.num_annotations if self.manifest else None

    @property
    def size(self) -> int:
        """How many annotations an epoch visits: what is built, or the pinned size where nothing is."""
        return self.num_built or self.member.size


def sources(home: Home, mixture: Mixture) -> dict[str, Source]:
    """The source of each member, by the member's name, in the order of the spec."""
    return {member.dataset: _source(home, member) for member in mixture.members}


def refuse_unknown(mixture: Mixture) -> None:
    """Raise IbDataError for a member that no one knows, or one whose card has no such split.

    The paper's held-in datasets are known before they have a card: they count as not built.
    """
    known = {*card_names(), *load_mixture("instructblip").datasets}
    for member in mixture.members:
        if member.dataset in known - set(card_names()):
            continue
        if member.dataset not in known:
            near = did_you_mean(member.dataset, sorted(known))
            raise IbDataError(f"mixture {mixture.name}: unknown dataset {member.dataset!r}; {near}")
        splits = load_card(member.dataset).splits
        if member.split not in splits:
            problem = f"mixture {mixture.name}: there is no split {member.split!r}"
            raise DataError(member.dataset, problem, remedy=f"known: {', '.join(splits)}")


def _source(home: Home, member: Member) -> Source:
    if member.dataset not in card_names():
        return Source(member, None, None, None)
    card = load_card(member.dataset)
    folder = home.split(card.stored_as, member.split)
    return Source(member, card, folder, read_manifest(folder, card.stored_as))
