"""What a run may choose about rendering, beyond the templates themselves."""

from dataclasses import dataclass, fields

from ib_data.strict import Table

# The first of each is the default. `frequency`: an answer as often as annotators gave it; `majority`: the most frequent
# one, the first of several; `uniform`: each distinct answer alike. The paper does not say (shared answer: frequency).
ANSWERS = ("frequency", "majority", "uniform")
OPTION_ORDERS = ("source", "shuffled")
# What is learnt where an instruction lists options: the text of the right one (the paper's way), or its letter, `(b)`.
CHOICE_TARGETS = ("text", "letter")
# A dialogue of several turns: each turn an example with the earlier ones as history, or one chat with all of them.
TURNS = ("each", "chat")
"""The allowed values of each option stand under its name, in capitals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """How answers, options and dialogues are rendered; a mixture spec sets them in its table `[render]`."""

    answers: str = ANSWERS[0]
    option_order: str = OPTION_ORDERS[0]
    choice_targets: str = CHOICE_TARGETS[0]
    turns: str = TURNS[0]

    @classmethod
    def of(cls, table: Table) -> "RenderOptions":
        """The options of a table, strictly read; DataError for an unknown key or value, which names the nearest."""
        table.only([field.name for field in fields(cls)])
        return cls(**{key: table.one_of(key, _ALLOWED[key]) for key in table.values})


_ALLOWED = {"answers": ANSWERS, "option_order": OPTION_ORDERS, "choice_targets": CHOICE_TARGETS, "turns": TURNS}
DEFAULT_OPTIONS = RenderOptions()
