"""What files call a case: the id of its annotation, or the number or name of its image."""

import re
from collections.abc import Iterable, Mapping, Sequence

from ib_data.evaluation.case import Case
from ib_data.evaluation.results.form import ResultsForm

_ENDING = re.compile(r"\.(?:jpe?g|png|gif|webp|mp4|avi|mkv|webm)$", re.IGNORECASE)
_NUMBER = re.compile(r"(?:.*_)?0*(\d+)")


def official_name(case: Case, form: ResultsForm) -> str:
    """What the official results file calls a case, as text."""
    if form.per_image and case.id.isdecimal():
        return str(int(case.id) // form.per_image)
    if form.names == "annotation":
        return case.id + form.ending
    tail = case.key.split("-", 2)[-1]
    return (str(int(tail)) if form.integer and tail.isdecimal() else tail) + form.ending


class Names:
    """The cases by what a file may call them."""

    def __init__(self, cases: Sequence[Case], form: ResultsForm) -> None:
        self._namings: tuple[Mapping[str, str], ...] = (
            {official_name(case, form): case.id for case in cases},
            {annotation.id: case.id for case in cases for annotation in case.annotations},
            {case.key.split("-", 2)[-1]: case.id for case in cases},
        )
        self._short = tuple(_shortened(naming) for naming in self._namings)

    def found(self, given: Iterable[str]) -> dict[str, str]:
        """The case id of each given name that is known.

        A file uses one way of naming: the one that explains most of it. Numbers may have leading zeros, and images may
        be given as files with their folder and ending.
        """
        names = list(given)
        tries = (self._by(names, *pair) for pair in zip(self._namings, self._short, strict=True))
        return max(tries, key=len)

    @staticmethod
    def _by(names: Sequence[str], naming: Mapping[str, str], short: Mapping[str, str]) -> dict[str, str]:
        found = {}
        for name in names:
            case = naming.get(name) or short.get(_short(name))
            if case is not None:
                found[name] = case
        return found


def _short(name: str) -> str:
    """A name without folder and ending; a number alone, without leading zeros, if it ends a name of COCO's form."""
    stem = _ENDING.sub("", name.rpartition("/")[2])
    number = _NUMBER.fullmatch(stem)
    return number[1] if number else stem


def _shortened(naming: Mapping[str, str]) -> dict[str, str]:
    """The same naming by short names, without those that two cases share."""
    found: dict[str, str] = {}
    doubled: set[str] = set()
    for name, case in naming.items():
        short = _short(name)
        if found.setdefault(short, case) != case:
            doubled.add(short)
    return {name: case for name, case in found.items() if name not in doubled}
