"""A template, and the rule that decides which templates fit an annotation."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Target:
    """The text of a target, and the fields that it needs."""

    text: str
    needs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Template:
    """One instruction text of a task. `kind` is `train` or `zero_shot` (then `name` is the dataset's name).

    `sha256` is the hash of `text` in UTF-8, in hex. `fields` are the names that `text` uses, and `needs` the ones that
    the annotation must have; the others are empty if it lacks them. The first of `targets` that fits is rendered.
    """

    task: str
    name: str
    kind: str
    text: str
    sha256: str
    fields: frozenset[str]
    needs: frozenset[str]
    targets: tuple[Target, ...]

    @property
    def optional(self) -> frozenset[str]:
        """The fields that the annotation may lack."""
        return self.fields - self.needs

    @property
    def shows_options(self) -> bool:
        """Whether the instruction lists the options, if any; the answer is then the right option."""
        return "options_text" in self.fields

    def lists_options(self, has: Set[str]) -> bool:
        """Whether the instruction lists the options of an annotation with the fields `has` (see `usable`)."""
        return "options_text" in has and self.shows_options

    def usable(self, has: frozenset[str]) -> frozenset[str]:
        """The names that can fill this template, for an annotation with the fields `has`.

        `has` are fields of `annotation_fields.MADE_FROM`. `answer` is a direct answer, unless the template lists the
        options: then it is the right option, and `answer_letter` is available too.
        """
        without_options, with_options = _usable(has)
        return with_options if self.lists_options(has) else without_options

    def target_for(self, usable: Set[str]) -> Target | None:
        """The first target that needs only `usable` names."""
        for target in self.targets:
            if target.needs <= usable:
                return target
        return None

    def fits(self, has: frozenset[str], *, needs_target: bool = True) -> bool:
        """Whether the fields `has` are enough for the instruction and, with `needs_target`, for a target."""
        usable = self.usable(has)
        return self.needs <= usable and not (needs_target and self.target_for(usable) is None)

    def lacks(self, has: frozenset[str]) -> frozenset[str]:
        """The fields missing in `has` for the instruction and the nearest target."""
        usable = self.usable(has)
        return min((frozenset((self.needs | target.needs) - usable) for target in self.targets), key=len)


def fitting(templates: Iterable[Template], has: frozenset[str], *, needs_target: bool = True) -> tuple[Template, ...]:
    """The templates that fit an annotation with the fields `has`, in order."""
    return tuple(template for template in templates if template.fits(has, needs_target=needs_target))


@lru_cache(maxsize=2048)  # 10 fields have 1,024 subsets
def _usable(has: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The usable names for templates without a list of options, and for those with one."""
    shared = has - {"answer", "right_option"}
    return shared | (has & {"answer"}), shared | ({"answer", "answer_letter"} if "right_option" in has else set())
