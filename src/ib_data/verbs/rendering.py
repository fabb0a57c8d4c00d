"""Options shared by the verbs that render."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ib_data.templates.render_options import ANSWERS, INSTRUCTIONS, RenderOptions
from ib_data.verbs.arguments import F, split_option, templates_option

if TYPE_CHECKING:
    from ib_data.templates.renderer import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """The split, template folder, seed and render options chosen on the command line."""

    split: str | None
    folder: Path | None
    seed: int
    options: RenderOptions

    def renderer(self) -> "Renderer":
        """A renderer with these choices. Raises IbDataError for a folder without template files."""
        from ib_data.templates.library import PACKAGED, Library
        from ib_data.templates.renderer import Renderer

        return Renderer(Library(self.folder) if self.folder else PACKAGED, self.seed, self.options)


def rendering_options(function: F) -> F:
    """Adds --seed, --answers, --shuffle-options, --letters, --chat, --instructions, --split and --templates.

    The verb receives `rendering: Rendering`.
    """

    @click.option("--seed", type=int, default=0, show_default=True, help="Seed that draws template and answer.")
    @_choice("--answers", ANSWERS, "Which of several answers becomes the target.")
    @click.option("--shuffle-options", is_flag=True, help="Shuffle the options, by seed and position.")
    @click.option("--letters", is_flag=True, help="Use the letter of the right option as target, such as (b).")
    @click.option("--chat", is_flag=True, help="Render earlier turns of a dialogue as chat turns, not as a history.")
    @_choice(
        "--instructions", INSTRUCTIONS, "Around the annotation's own words: a template, nothing, or task and dataset."
    )
    @split_option
    @templates_option
    @wraps(function)
    def with_options(
        answers: str,
        shuffle_options: bool,
        letters: bool,
        chat: bool,
        instructions: str,
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
            instructions=instructions,
        )
        return function(rendering=Rendering(split=split, folder=folder, seed=seed, options=options), **others)

    return with_options  # type: ignore[return-value]


def _choice(name: str, allowed: Sequence[str], text: str) -> Callable[[F], F]:
    """The option of a render option with these values, of which the first is the default."""
    return click.option(name, type=click.Choice(allowed), default=allowed[0], show_default=True, help=text)
