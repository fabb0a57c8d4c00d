"""Options of rendering, apart from the templates."""

from dataclasses import dataclass, fields

from ib_data.errors import IbDataError, did_you_mean, quoted
from ib_data.strict import Table

# The first of each is the default. `frequency`: an answer as often as annotators gave it; `majority`: the most
# frequent one, the first of equals; `uniform`: each distinct answer equally often. The paper does not say.
ANSWERS = ("frequency", "majority", "uniform")
OPTION_ORDERS = ("source", "shuffled")
# The target if an instruction lists options: the text of the right one (as in the paper), or its letter, `(b)`.
CHOICE_TARGETS = ("text", "letter")
# A dialogue of several turns: each turn is an example with the earlier ones as history, or one chat has all of them.
TURNS = ("each", "chat")
# What surrounds an annotation's own words: a template of its task; nothing; or task and dataset, as in
# `[question answering:vqav2] What is this?`. The last two are the paper's multitask training.
INSTRUCTIONS = ("templates", "plain", "dataset")
# The tokens that a training run keeps of an instruction and of a target (released code).
MAX_INSTRUCTION_TOKENS, MAX_TARGET_TOKENS = 128, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """How answers, options, dialogues and instructions are rendered; a mixture spec sets them in its table `[render]`.

    Raises IbDataError for a value that is not allowed, and names the nearest one.
    """

    answers: str = ANSWERS[0]
    option_order: str = OPTION_ORDERS[0]
    choice_targets: str = CHOICE_TARGETS[0]
    turns: str = TURNS[0]
    instructions: str = INSTRUCTIONS[0]

    def __post_init__(self) -> None:
        for name, allowed in _ALLOWED.items():
            if (value := getattr(self, name)) not in allowed:
                raise IbDataError(f"{name}: unknown value {quoted(value)}; {did_you_mean(str(value), allowed)}")

    @classmethod
    def of(cls, table: Table) -> "RenderOptions":
        """The options in a table. Raises DataError for an unknown key or value, and names the nearest one."""
        table.only([field.name for field in fields(cls)])
        return cls(**{key: table.one_of(key, _ALLOWED[key]) for key in table.values})

    def changed(self) -> dict[str, str]:
        """The values that differ from the defaults, by name."""
        return {name: getattr(self, name) for name, (default, *_) in _ALLOWED.items() if getattr(self, name) != default}


_ALLOWED = {
    "answers": ANSWERS, "option_order": OPTION_ORDERS, "choice_targets": CHOICE_TARGETS, "turns": TURNS,
    "instructions": INSTRUCTIONS,
}  # fmt: skip
DEFAULT_OPTIONS = RenderOptions()
