"""The texts that fill a template, made from an annotation."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

from ib_data.annotation_fields import fields_of
from ib_data.blank import trimmed
from ib_data.cards import Card
from ib_data.keyed import keyed_below, keyed_bits
from ib_data.sample import Annotation, Turn
from ib_data.templates.render_errors import RenderError
from ib_data.templates.render_options import RenderOptions
from ib_data.templates.template import Template

# The most OCR tokens that `ocr_text` shows: the released code keeps the first 30, joined by comma and blank.
MAX_OCR_TOKENS = 30
# One earlier round in `history_text`, one per line. The paper leaves the form open; its prompts use these words.
HISTORY_ROUND = "Question: {} Answer: {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The values that can fill a template at a position of a run. Texts are made, and an answer drawn, on demand.

    `has` are the fields of the annotation, as `annotation_fields` names them.
    """

    annotation: Annotation
    seed: int
    position: int
    answers: str  # one of render_options.ANSWERS
    has: frozenset[str]

    def of(self, template: Template, names: Iterable[str]) -> dict[str, str]:
        """The texts of some names for this template; empty for one that the annotation lacks."""
        given = template.usable(self.has)
        return {name: self.text(template, name) if name in given else "" for name in names}

    def text(self, template: Template, name: str) -> str:
        """The text of one of the template's usable names, without blanks at the ends."""
        found, index = self.annotation, self.annotation.answer_index
        if name == "answer":
            if template.lists_options(self.has):
                return _right_option(found)
            return _draw_answer(found, self.seed, self.position, self.answers)
        if name == "answer_letter" and index is not None:
            return option_letter(sum(1 for option in found.options[:index] if trimmed(option)))
        return field_text(found, name)


def values_of(card: Card, annotation: Annotation, *, seed: int, position: int, options: RenderOptions) -> Values:
    """The values at a position of a run. Raises RenderError if `answer_index` points beyond the options."""
    arranged = _arranged(card, annotation, seed, position, options)
    has = usable_fields(fields_of(arranged), options)
    return Values(annotation=arranged, seed=seed, position=position, answers=options.answers, has=has)


def usable_fields(has: frozenset[str], options: RenderOptions) -> frozenset[str]:
    """The usable fields of an annotation: in a chat, the history becomes turns and is not a text."""
    return has - {"history_text"} if options.turns == "chat" else has


def field_text(annotation: Annotation, name: str) -> str:
    """The text of one of `fields_of`, except the answers; without blanks at the ends."""
    if name == "options_text":
        return trimmed(options_text(annotation.options))
    if name == "ocr_text":
        return trimmed(ocr_text(annotation.ocr_tokens))
    if name == "history_text":
        return trimmed(history_text(annotation.history))
    return trimmed(getattr(annotation, name))


def options_text(options: Sequence[str]) -> str:
    """Options as `(a) blue (b) yellow (c) pink`, each with its `option_letter`.

    A blank option is not listed and takes no letter: nobody could choose it.
    """
    shown = filter(None, map(trimmed, options))
    return " ".join(f"({option_letter(place)}) {text}" for place, text in enumerate(shown))


def option_letter(place: int) -> str:
    """The letter of the option at a place from 0: a to z, then aa, ab and so on, each different."""
    before, last = divmod(place, len(ascii_lowercase))
    return (option_letter(before - 1) if before else "") + ascii_lowercase[last]


def ocr_text(tokens: Sequence[str]) -> str:
    """The first MAX_OCR_TOKENS tokens that are not blank, as `STOP, 4-way`."""
    return ", ".join([token for token in tokens if trimmed(token)][:MAX_OCR_TOKENS])


def history_text(history: Sequence[Turn]) -> str:
    """The earlier rounds of a dialogue, each on a line of the form HISTORY_ROUND."""
    return "\n".join(HISTORY_ROUND.format(trimmed(turn.question), trimmed(turn.answer)) for turn in history)


def earlier_turns(annotation: Annotation, options: RenderOptions) -> tuple[Turn, ...]:
    """The turns before the question, which a chat also trains on; empty if each turn is a separate example.

    Texts have no blanks at the ends; a turn with a blank question or answer is left out.
    """
    if options.turns != "chat":
        return ()
    turns = (Turn(trimmed(turn.question), trimmed(turn.answer)) for turn in annotation.history)
    return tuple(turn for turn in turns if turn.question and turn.answer)


def _arranged(card: Card, annotation: Annotation, seed: int, position: int, options: RenderOptions) -> Annotation:
    """The annotation with its options in the order shown."""
    index, count = annotation.answer_index, len(annotation.options)
    if index is not None and index >= count:
        problem = f"answer_index {index} points beyond the {count} options"
        reason, remedy = "answer_index points beyond the options", f"build {card.stored_as} again"
        raise RenderError(card, annotation, problem, reason=reason, remedy=remedy)
    if options.option_order == "shuffled" and count > 1:
        # Sorting by 128 random bits each gives a uniform permutation: equal keys do not occur in practice.
        keys = [keyed_bits(seed, "templates/option_order", position, place) for place in range(count)]
        order = sorted(range(count), key=keys.__getitem__)
        moved = None if index is None else order.index(index)
        annotation = replace(annotation, options=tuple(annotation.options[i] for i in order), answer_index=moved)
    return annotation


def _usable_answers(annotation: Annotation) -> Iterator[tuple[str, int]]:
    """The direct answers that are not blank and have a count above 0, each with its count."""
    return ((text, answer.count) for answer in annotation.answers if answer.count and (text := trimmed(answer.text)))


def _draw_answer(annotation: Annotation, seed: int, position: int, how: str) -> str:
    """The answer drawn from the usable ones at a position; `how` is one of ANSWERS."""
    counts = list(_usable_answers(annotation))
    if how == "frequency":
        return _by_count(counts, keyed_below(sum(count for _, count in counts), seed, "templates/answer", position))
    together: dict[str, int] = {}
    for text, count in counts:
        together[text] = together.get(text, 0) + count
    if how == "majority":
        return max(together, key=together.__getitem__)  # the first of equals: dicts keep their order
    return list(together)[keyed_below(len(together), seed, "templates/answer_uniform", position)]


def _by_count(counts: Sequence[tuple[str, int]], ticket: int) -> str:
    """The text with this ticket number; each text holds as many tickets as its count, in order."""
    for text, count in counts:
        ticket -= count
        if ticket < 0:
            return text
    raise AssertionError("the ticket is below the sum of the counts")


def _right_option(annotation: Annotation) -> str:
    """The text of the right option; empty if it is unknown or blank."""
    index = annotation.answer_index
    return "" if index is None else trimmed(annotation.options[index])
