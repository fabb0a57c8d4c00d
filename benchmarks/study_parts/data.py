"""Builds the miniature of the study: the training splits of its mixtures and the splits that it evaluates."""

from ib_data.cards import load_card
from ib_data.cli import group
from ib_data.home import MANIFEST, Home
from ib_data.mixtures.spec.spec_file import load_mixture
from study_parts.plan import Plan


def splits_of(plan: Plan) -> set[tuple[str, str]]:
    """Each (dataset as stored, split) that a cell reads."""
    mixtures = {plan.training(cell)["mixture"] for cell in plan.cells() if not cell.arm.seedless}
    members = [member for name in mixtures for member in load_mixture(name).members]
    found = {(load_card(member.dataset).stored_as, member.split) for member in members}
    for name in {name for arm in plan.arms.values() for name in arm.datasets}:
        card, protocol = load_card(name), plan.protocol(name)
        found.add((card.stored_as, protocol.split))
        if protocol.vocabulary_least:
            found.add((card.stored_as, "train"))
    return found


def build(plan: Plan, home: Home) -> None:
    """Build what is missing in `home`. Ends the program if a build fails."""
    missing: dict[str, list[str]] = {}
    for name, split in sorted(splits_of(plan)):
        if not (home.split(name, split) / MANIFEST).exists():
            missing.setdefault(split, []).append(name)
    for split, names in missing.items():
        words = ["build", *names, "--split", split, "--mini", "--mini-size", str(plan.mini_size)]
        group.main([*words, "--home", str(home.root)], standalone_mode=False)
