"""The options of verbs that render: how answers, options and dialogues are treated."""

from functools import wraps
from typing import Any

import click

from ib_data.templates.options import ANSWERS, RenderOptions
from ib_data.verbs.options import F


def rendering_options(function: F) -> F:
    """Adds --answers, --shuffle-options, --letters and --chat; the verb receives `options: RenderOptions`."""

    @click.option("--answers", type=click.Choice(ANSWERS), default=ANSWERS[0], show_default=True, help="Which answer.")
    @click.option("--shuffle-options", is_flag=True, help="Options in an order drawn by seed and position.")
    @click.option("--letters", is_flag=True, help="The letter of the right option, (b), as target where options stand.")
    @click.option("--chat", is_flag=True, help="Earlier turns of a dialogue as turns of one chat, not as a history.")
    @wraps(function)
    def with_options(answers: str, shuffle_options: bool, letters: bool, chat: bool, **others: Any) -> Any:
        options = RenderOptions(
            answers=answers,
            option_order="shuffled" if shuffle_options else "source",
            choice_targets="letter" if letters else "text",
            turns="chat" if chat else "each",
        )
        return function(options=options, **others)

    return with_options  # type: ignore[return-value]
