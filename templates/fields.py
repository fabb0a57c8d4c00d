"""From an annotation to the texts that templates are filled with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

from ib_data.cards import Card
from ib_data.errors import DataError, one_line
from ib_data.keyed import keyed_below, keyed_bits
from ib_data.sample import Annotation, Turn
from ib_data.templates.blank import trimmed
from ib_data.templates.library import Template
from ib_data.templates.options import RenderOptions

# How many OCR tokens `ocr_text` shows at most: the released code keeps the first 30, joined by comma and blank.
MAX_OCR_TOKENS = 30
# One earlier round in `history_text`, a line each. The paper leaves the form open; its prompts name the parts so.
HISTORY_ROUND = "Question: {} Answer: {}"


class RenderError(DataError):
    """An annotation that cannot be rendered.

    `reason` is the same for all annotations of a dataset with the same fault, so that they can be counted; the
    message may say more, and names the annotation.
    """

    def __init__(
        self, card: Card, annotation: Annotation, problem: str, *, reason: str = "", remedy: str | None = None
    ) -> None:
        super().__init__(card.name, problem, row=f"annotation {annotation.id}", remedy=remedy)
        self.reason = one_line(reason or problem)


@dataclass(frozen=True, slots=True)
class Values:
    """The texts of one annotation by field, for templates that list no options and for those that do.

    The two differ in `answer`: a direct answer, or the right option (then `answer_letter` stands beside it).
    """

    open: dict[str, str]
    choice: dict[str, str]

    def listed_by(self, template: Template) -> bool:
        """Whether the template lists this annotation's options."""
        return template.shows_options and "options_text" in self.choice

    def of(self, template: Template) -> dict[str, str]:
        """The values that the template is filled with."""
        return self.choice if self.listed_by(template) else self.open


def values_of(card: Card, annotation: Annotation, *, seed: int, position: int, options: RenderOptions) -> Values:
    """The values at a position of a run. Raises RenderError where `answer_index` points beyond the options."""
    arranged = _arranged(card, annotation, seed, position, options)
    shared = field_values(arranged)
    drawn, right = _draw_answer(arranged, seed, position, options.answers), _right_option(arranged)
    return Values({**shared, "answer": drawn} if drawn else shared, {**shared, **right} if right else shared)


def field_values(annotation: Annotation) -> dict[str, str]:
    """The texts of an annotation that templates may use, all but the answer, without blanks at their ends.

    What the annotation lacks is not in the result.
    """
    found = (
        ("question", annotation.question),
        ("caption", annotation.caption),
        ("context", annotation.context),
        ("statement", annotation.statement),
        ("label", annotation.label),
        ("options_text", options_text(annotation.options) if annotation.options else None),
        ("ocr_text", ocr_text(annotation.ocr_tokens)),
        ("history_text", history_text(annotation.history)),
    )
    return {name: text for name, value in found if value and (text := trimmed(value))}


def options_text(options: Sequence[str]) -> str:
    """Options as `(a) blue (b) yellow (c) pink`, each with its `option_letter`."""
    return " ".join(f"({option_letter(place)}) {trimmed(text)}" for place, text in enumerate(options))


def option_letter(place: int) -> str:
    """The letter of the option at a place from 0: a to z, then aa, ab and so on, so that no two are alike."""
    before, last = divmod(place, len(ascii_lowercase))
    return (option_letter(before - 1) if before else "") + ascii_lowercase[last]


def ocr_text(tokens: Sequence[str]) -> str:
    """The first MAX_OCR_TOKENS tokens that are not blank, as `STOP, 4-way`."""
    return ", ".join([token for token in tokens if trimmed(token)][:MAX_OCR_TOKENS])


def history_text(history: Sequence[Turn]) -> str:
    """The earlier rounds of a dialogue, each a line of the form HISTORY_ROUND."""
    return "\n".join(HISTORY_ROUND.format(trimmed(turn.question), trimmed(turn.answer)) for turn in history)


def earlier_turns(annotation: Annotation, options: RenderOptions) -> tuple[Turn, ...]:
    """The turns before the question that a chat learns as well; none where each turn is an example of its own.

    Without blanks at the ends of their texts; a turn whose question or answer is blank is left out.
    """
    if options.turns != "chat":
        return ()
    turns = (Turn(trimmed(turn.question), trimmed(turn.answer)) for turn in annotation.history)
    return tuple(turn for turn in turns if turn.question and turn.answer)


def _arranged(card: Card, annotation: Annotation, seed: int, position: int, options: RenderOptions) -> Annotation:
    """The annotation with its options in the order in which they are shown, and without history in a chat."""
    index, count = annotation.answer_index, len(annotation.options)
    if index is not None and index >= count:
        problem = f"answer_index {index} points beyond the {count} options"
        reason, remedy = "answer_index points beyond the options", f"build {card.stored_as} again"
        raise RenderError(card, annotation, problem, reason=reason, remedy=remedy)
    if options.option_order == "shuffled" and count > 1:
        # Sorting by 128 random bits each is a uniform permutation: two equal keys will not occur.
        keys = [keyed_bits(seed, "templates/option_order", position, place) for place in range(count)]
        order = sorted(range(count), key=keys.__getitem__)
        moved = None if index is None else order.index(index)
        annotation = replace(annotation, options=tuple(annotation.options[i] for i in order), answer_index=moved)
    return replace(annotation, history=()) if annotation.history and options.turns == "chat" else annotation


def _draw_answer(annotation: Annotation, seed: int, position: int, how: str) -> str | None:
    """The direct answer that is used at a position, one of those that are not blank; `how` is one of ANSWERS."""
    counts = [(text, answer.count) for answer in annotation.answers if (text := trimmed(answer.text)) and answer.count]
    if not counts:
        return None
    if how == "frequency":
        return _by_count(counts, keyed_below(sum(count for _, count in counts), seed, "templates/answer", position))
    together: dict[str, int] = {}
    for text, count in counts:
        together[text] = together.get(text, 0) + count
    if how == "majority":
        return max(together, key=together.__getitem__)  # the first of equals: dicts keep their order
    return list(together)[keyed_below(len(together), seed, "templates/answer_uniform", position)]


def _by_count(counts: Sequence[tuple[str, int]], ticket: int) -> str:
    """The text that holds the ticket, where each holds as many as its count, in order."""
    for text, count in counts:
        ticket -= count
        if ticket < 0:
            return text
    raise AssertionError("the ticket is below the sum of the counts")


def _right_option(annotation: Annotation) -> dict[str, str]:
    """`answer` and `answer_letter` of the right option; empty where it is not known or blank."""
    index = annotation.answer_index
    text = "" if index is None else trimmed(annotation.options[index])
    if index is None or not text:
        return {}
    return {"answer": text, "answer_letter": option_letter(index)}
