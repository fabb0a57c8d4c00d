"""Choosing the samples that `show` and `render` print, and reading them one at a time."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import printable, typed
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.verbs.arguments import F
from ib_data.verbs.failures import raise_summary
from ib_data.verbs.rendering import Rendering

if TYPE_CHECKING:
    from ib_data.cards import Card
    from ib_data.templates.sheet.preview import Entry
    from ib_data.templates.sheet.selection import Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The samples selected by --random, --key and --where."""

    is_random: bool
    keys: tuple[str, ...]
    where: str | None

    def selection(self, home: Home) -> "Selection":
        """The selection. A --where condition is one catalog query per dataset and split."""
        from ib_data.templates.sheet.selection import Selection

        condition = self.where
        if condition is None:
            return Selection(is_random=self.is_random, keys=self.keys)
        return Selection(
            is_random=self.is_random,
            keys=self.keys,
            matches=lambda dataset, split: _matches(home, dataset, split, condition),
        )


def choosing_options(function: F) -> F:
    """Adds --random, --key and --where; the verb receives `chosen: Chosen`."""

    @click.option("--random", "is_random", is_flag=True, help="Random samples, drawn by --seed, instead of the first.")
    @click.option("--key", "keys", multiple=True, metavar="KEY", help="Only the sample with this key. Repeatable.")
    @click.option(
        "--where", metavar="SQL", help="Only annotations that match this condition: \"question LIKE '%red%'\"."
    )
    @wraps(function)
    def with_options(is_random: bool, keys: tuple[str, ...], where: str | None, **others: Any) -> Any:
        condition = None if where is None else typed(where)
        return function(chosen=Chosen(is_random=is_random, keys=keys, where=condition), **others)

    return with_options  # type: ignore[return-value]


def _matches(home: Home, dataset: str, split: str, condition: str) -> Mapping[str, frozenset[str]]:
    """The ids of a split's annotations that match a condition, by sample key.

    The condition becomes part of one read-only SELECT over `annotations`. Raises IbDataError for a mistake in it.
    """
    from ib_data.mixtures.catalog.queries import query

    # The condition gets its own lines, so that a comment at its end does not swallow the bracket.
    of_split = f"SELECT * FROM annotations WHERE dataset = '{dataset}' AND split = '{split}'"
    try:
        _, rows = query(home, f"SELECT key, list(id) FROM ({of_split}) WHERE (\n{condition}\n) GROUP BY key")
    except IbDataError as error:
        raise IbDataError(f"--where: {str(error).removeprefix('sql: ')}") from error
    return {key: frozenset(ids) for key, ids in rows}


class Previews:
    """An iterable over the chosen samples of some datasets. Unreadable samples do not stop the others.

    `problems` collects the first problem of each dataset while iterating.
    """

    def __init__(
        self, home: Home, cards: "Iterable[Card]", rendering: Rendering, chosen: Chosen, n: int, **others: Any
    ) -> None:
        """`n` and `others` go to `preview`. Raises DataError for an unusable template file."""
        self.problems: dict[str, str] = {}
        self._home, self._cards, self._split = home, list(cards), rendering.split
        self._others = {"n": n, "selection": chosen.selection(home), **others}
        self._renderer = rendering.renderer()
        for card in self._cards:
            self._renderer.templates(card.task)

    def __iter__(self) -> "Iterator[Entry]":
        for card in self._cards:
            try:
                for entry in self._of(card):
                    if entry.problem:
                        self.problems.setdefault(card.name, entry.problem)
                    yield entry
            except IbDataError as error:
                self.problems.setdefault(card.name, str(error))

    def raise_problems(self) -> None:
        """Raise IbDataError if something could not be read, after printing the first problem of each dataset."""
        raise_summary(
            self.problems.values(), f"{len(self.problems)} datasets could not be rendered: {', '.join(self.problems)}"
        )

    def _of(self, card: "Card") -> "Iterator[Entry]":
        from ib_data.templates.sheet.preview import preview

        return preview(self._home, card, self._renderer, split=self._split, **self._others)


def target_line(target: str | None) -> str:
    """A target with unprintable characters escaped, or the placeholder of a hidden target."""
    from ib_data.templates.sheet.preview import HIDDEN

    return HIDDEN if target is None else printable(target)
