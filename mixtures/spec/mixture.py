"""A mixture spec: members with pinned sizes, a rule and stages. `spec_file` reads one from a .toml file.

A weight counts positions of the stream: annotations, not images and not batches.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ib_data.templates.render_options import RenderOptions

# The units of a pinned size; the first is the default.
COUNTS = ("annotations", "conversations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One dataset of a mixture. `size` is the pinned number of annotations, whatever is built.

    With `counts` = "conversations" it is the number of conversations; each may be several annotations, its turns.
    `scale` multiplies the rule's share; 0 switches the member off. `weight` is used only under the rule `fixed`.
    At most `cap` of `size` counts for the weight (as in examples-proportional mixing in T5, arXiv 1910.10683, section
    3.5.2). `task` makes the member a view: the annotations of `dataset` with the templates of that task.
    """

    dataset: str
    split: str
    size: int
    counts: str = COUNTS[0]
    scale: float = 1.0
    weight: float | None = None
    cap: int | None = None
    task: str | None = None

    @property
    def name(self) -> str:
        """The member's name in the mixture: its dataset, or DATASET/TASK for a view."""
        return f"{self.dataset}/{self.task}" if self.task else self.dataset

    @property
    def counted_size(self) -> int:
        """The size that counts for the weight."""
        return self.size if self.cap is None else min(self.size, self.cap)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """What changes from the position `start` on, until a later stage changes it again.

    None keeps the previous rule or exponent; members that are not in `scales` keep theirs.
    """

    start: int
    rule: str | None = None
    exponent: float | None = None
    scales: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Members in the order of the spec. `exponent` is set only under the rule `temperature`.

    Rule, exponent and scales apply before the first of `stages`, which are sorted by start.
    """

    name: str
    rule: str
    members: tuple[Member, ...]
    exponent: float | None = None
    render: RenderOptions = field(default_factory=RenderOptions)
    stages: tuple[StageSpec, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The members' names, in the order of the spec."""
        return tuple(member.name for member in self.members)

    @property
    def starts(self) -> tuple[int, ...]:
        """The start of each stage; the first is 0."""
        return (0, *(stage.start for stage in self.stages))

    def only(self, names: Iterable[str]) -> "Mixture":
        """This mixture with only some of its members; weights are recomputed by the same rules."""
        kept = set(names)
        stages = tuple(
            replace(stage, scales={name: scale for name, scale in stage.scales.items() if name in kept})
            for stage in self.stages
        )
        return replace(self, members=tuple(m for m in self.members if m.name in kept), stages=stages)

    def at(self, position: int) -> "Mixture":
        """The mixture in force at a position, without stages."""
        found = replace(self, stages=())
        for start, mixture in self.in_stages():
            if start <= position:
                found = mixture
        return found

    def in_stages(self) -> Iterator[tuple[int, "Mixture"]]:
        """The start of each stage, and the mixture in force from there on, without stages."""
        found = replace(self, stages=())
        yield 0, found
        for stage in self.stages:
            found = found._after(stage)
            yield stage.start, found

    def _after(self, stage: StageSpec) -> "Mixture":
        members = tuple(replace(m, scale=stage.scales.get(m.name, m.scale)) for m in self.members)
        exponent = None if stage.rule else self.exponent
        return replace(
            self,
            rule=stage.rule or self.rule,
            exponent=exponent if stage.exponent is None else stage.exponent,
            members=members,
        )
