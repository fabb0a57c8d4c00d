"""What a report says about the build that was evaluated."""

from dataclasses import replace

from ib_data.cards import Card
from ib_data.cards.kinds import kind_of
from ib_data.console import count_text
from ib_data.evaluation.run.cases import num_cases
from ib_data.evaluation.scoring.evaluated import Evaluated
from ib_data.stored.built_split import BuiltSplit


def with_build(found: Evaluated, card: Card, built: BuiltSplit, number: int) -> Evaluated:
    """The evaluation with the sizes of its split, and a warning if they are not the official ones.

    `number` of the cases were chosen; 0: all.
    """
    place, kind = f"{card.name}/{built.split}", kind_of(built.manifest, card)
    is_part = 0 < number < num_cases(built, card)
    warnings = [f"{place}: not the official data: {', '.join(kind)}"] if kind else []
    if is_part:
        warnings.append(f"{place}: a part: {count_text(len(found.cases), 'case')} of what is built")
    return replace(
        found,
        num_built=len(built),
        num_used=sum(len(case.annotations) for case in found.cases),
        official_size=card.splits[built.split].num_annotations,
        is_part=is_part,
        kind=kind,
        split_source_name=card.splits[built.split].source_name,
        warnings=[*warnings, *found.warnings],
    )
