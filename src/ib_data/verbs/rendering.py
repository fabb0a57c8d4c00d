"""What the verbs that render share: their options, the samples that they show, and the page that they write."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import printable
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.templates.render_options import ANSWERS, RenderOptions
from ib_data.verbs.arguments import F, split_option, templates_option
from ib_data.verbs.failures import refuse

if TYPE_CHECKING:
    from ib_data.cards import Card
    from ib_data.templates.renderer import Renderer
    from ib_data.templates.sheet.preview import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """What was asked for: which split is rendered, by the templates of which folder, and how."""

    split: str | None
    folder: Path | None
    seed: int
    options: RenderOptions

    def renderer(self) -> "Renderer":
        """The renderer asked for. Raises IbDataError for a folder without template files."""
        from ib_data.templates.library import PACKAGED, Library
        from ib_data.templates.renderer import Renderer

        return Renderer(Library(self.folder) if self.folder else PACKAGED, self.seed, self.options)


def rendering_options(function: F) -> F:
    """Adds --seed, --answers, --shuffle-options, --letters, --chat, --split and --templates.

    The verb receives `rendering: Rendering`.
    """

    @click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draws of template and answer.")
    @click.option("--answers", type=click.Choice(ANSWERS), default=ANSWERS[0], show_default=True, help="Which answer.")
    @click.option("--shuffle-options", is_flag=True, help="Options in an order drawn by seed and position.")
    @click.option("--letters", is_flag=True, help="The letter of the right option, (b), as target where options stand.")
    @click.option("--chat", is_flag=True, help="Earlier turns of a dialogue as turns of one chat, not as a history.")
    @split_option
    @templates_option
    @wraps(function)
    def with_options(
        answers: str,
        shuffle_options: bool,
        letters: bool,
        chat: bool,
        split: str | None,
        folder: Path | None,
        seed: int,
        **others: Any,
    ) -> Any:
        options = RenderOptions(
            answers=answers,
            option_order="shuffled" if shuffle_options else "source",
            choice_targets="letter" if letters else "text",
            turns="chat" if chat else "each",
        )
        return function(rendering=Rendering(split=split, folder=folder, seed=seed, options=options), **others)

    return with_options  # type: ignore[return-value]


class Previews:
    """The first samples of some datasets, one at a time; what cannot be read stops nothing else.

    `problems` is the first of each dataset where there was any, as far as the entries were asked for.
    """

    def __init__(self, home: Home, cards: "Iterable[Card]", rendering: Rendering, **chosen: Any) -> None:
        """`chosen` as `preview` takes it. Raises DataError for a template file that cannot be used."""
        self.problems: dict[str, str] = {}
        self._home, self._cards, self._split, self._chosen = home, list(cards), rendering.split, chosen
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

    def refuse_problems(self) -> None:
        """Raise IbDataError in one line where something could not be read, after a note of each dataset's first."""
        refuse(
            self.problems.values(), f"{len(self.problems)} datasets could not be rendered: {', '.join(self.problems)}"
        )

    def _of(self, card: "Card") -> "Iterator[Entry]":
        from ib_data.templates.sheet.preview import preview

        return preview(self._home, card, self._renderer, split=self._split, **self._chosen)


def target_line(target: str | None) -> str:
    """A target as a terminal shows it, or the mark of a hidden one."""
    from ib_data.templates.sheet.preview import HIDDEN

    return HIDDEN if target is None else printable(target)


def write_page(path: Path, title: str, entries: Previews, size: "Callable[[Entry], int]") -> int:
    """Write the entries as a contact sheet, and sum up their sizes as they pass: with pictures they are not kept.

    Raises IbDataError where no such file can be written, before anything is rendered, and where nothing can be read.
    """
    if path.is_dir():
        raise IbDataError(f"--html {path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise IbDataError(f"--html {path}: there is no folder {path.parent}; make it, or name another file")
    is_new = not path.exists()
    with _writing(path):
        path.open("a").close()  # an earlier page stays until the new one is made
    from ib_data.templates.sheet.page import contact_sheet

    sizes: list[int] = []

    def passing() -> "Iterator[Entry]":
        for entry in entries:
            sizes.append(size(entry))
            yield entry

    try:
        page = contact_sheet(title, passing())
        if not sizes:
            entries.refuse_problems()
    except BaseException:
        if is_new:
            path.unlink()
        raise
    with _writing(path):
        path.write_text(page, encoding="utf-8")
    return sum(sizes)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise IbDataError(f"--html {path}: cannot be written ({error.strerror}); name another file") from error
