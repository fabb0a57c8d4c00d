"""From an annotation to (instruction, target): a pure function of the annotation, the seed and the position."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle
from pathlib import Path
from string import ascii_lowercase

from ib_data.cards import Card
from ib_data.errors import DataError, quoted
from ib_data.keyed import keyed_below
from ib_data.sample import Annotation, Turn
from ib_data.templates.language import compiled
from ib_data.templates.library import Template, load_task

# Private-use characters that stand around a substituted value in `marked`; the contact sheet turns them into markup.
MARK_START, MARK_END = "\ue000", "\ue001"
_NO_MARKS = {ord(MARK_START): None, ord(MARK_END): None}
# How many OCR tokens `ocr_text` shows at most: the released code keeps the first 30, joined by comma and blank.
MAX_OCR_TOKENS = 30
# One earlier round in `history_text`, a line each. The paper leaves the form open; its prompts name the parts so.
HISTORY_ROUND = "Question: {} Answer: {}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a trainer sees of one annotation, and all that is needed to render it again.

    `template` is a name among the templates of `task`; `template_sha256` the hash of its text, in hex.
    """

    instruction: str
    target: str
    task: str
    template: str
    template_sha256: str
    dataset: str
    annotation_id: str
    position: int
    seed: int


def render(
    card: Card,
    annotation: Annotation,
    *,
    seed: int,
    position: int,
    template: Template | None = None,
    folder: Path | None = None,
) -> Rendered:
    """The instruction and target of an annotation at a position of a run; about 10 us.

    Without `template` one of the training templates of the card's task (those in `folder` first, see `load_task`) is
    drawn from all that the annotation has the fields for. Template and answer depend on (seed, position) alone.
    Raises DataError (dataset and id named) where no template fits, as in splits whose answers are hidden.
    """
    open_values, choice_values = _values(card, annotation, seed, position)
    if template:
        candidates = tuple(fitting((template,), open_values.keys(), choice_values.keys()))
    else:
        candidates = eligible(card.task, folder, frozenset(open_values), frozenset(choice_values))
    if not candidates:
        known = (template,) if template else training_templates(card.task, folder)
        raise _unfit(card, annotation, known, open_values, choice_values)
    drawn = draw_template(candidates, seed, position)
    values = _values_for(drawn, open_values, choice_values)
    output = drawn.target_for(values.keys())
    assert output is not None, "fitting templates have a target"
    instruction = compiled(drawn.text).render(_filled(drawn, values)).strip()
    target = compiled(output.text).render(values).strip()
    if not instruction or not target:
        part = "target" if instruction else "instruction"
        raise DataError(
            card.name, f"template {drawn.name!r} renders an empty {part}", row=f"annotation {annotation.id}"
        )
    return Rendered(instruction, target, drawn.task, drawn.name, drawn.sha256, card.name, annotation.id, position, seed)


def render_all(
    card: Card, annotation: Annotation, *, seed: int, position: int, folder: Path | None = None
) -> list[Rendered]:
    """The annotation through every training template it has the fields for, and its zero-shot prompt if it has one.

    Raises DataError where none fits.
    """
    open_values, choice_values = _values(card, annotation, seed, position)
    known = [t for t in load_task(card.task, folder) if t.kind == "train" or t.name == card.name]
    candidates = fitting(known, open_values.keys(), choice_values.keys())
    if not candidates:
        raise _unfit(card, annotation, known, open_values, choice_values)
    return [render(card, annotation, seed=seed, position=position, template=t) for t in candidates]


def training_templates(task: str, folder: Path | None = None) -> list[Template]:
    """The templates that a run draws from. Raises what `load_task` raises."""
    return [template for template in load_task(task, folder) if template.kind == "train"]


@lru_cache(maxsize=4096)
def eligible(
    task: str, folder: Path | None, open_fields: frozenset[str], choice_fields: frozenset[str]
) -> tuple[Template, ...]:
    """The training templates of a task that fit these fields. Few sets of fields occur: cached, it takes 0.3 us."""
    return tuple(fitting(training_templates(task, folder), open_fields, choice_fields))


def fitting(templates: Iterable[Template], open_fields: Set[str], choice_fields: Set[str]) -> list[Template]:
    """The templates whose fields are all there: `choice_fields` for those that list options, else `open_fields`."""
    has_options = "options_text" in choice_fields
    return [t for t in templates if t.fits(choice_fields if has_options and t.shows_options else open_fields)]


def draw_template(candidates: Sequence[Template], seed: int, position: int) -> Template:
    """One of at least one candidate, by (seed, position) alone."""
    if len(candidates) == 1:
        return candidates[0]
    return candidates[keyed_below(len(candidates), seed, "templates/template", position)]


def marked(card: Card, annotation: Annotation, rendered: Rendered, folder: Path | None = None) -> str:
    """The rendered instruction with MARK_START and MARK_END around each value that was put into the template.

    Marks in the values themselves are removed. Where a filter changes a marked value otherwise than the bare one (as
    `capitalize` does) the instruction comes back without marks.
    """
    template = next(t for t in load_task(rendered.task, folder) if t.name == rendered.template)
    open_values, choice_values = _values(card, annotation, rendered.seed, rendered.position)
    values = _values_for(template, open_values, choice_values)
    around = {name: f"{MARK_START}{value.translate(_NO_MARKS)}{MARK_END}" for name, value in values.items()}
    text = compiled(template.text).render(_filled(template, around)).strip()
    bare = rendered.instruction.translate(_NO_MARKS)
    balanced = text.count(MARK_START) == text.count(MARK_END)
    return text if balanced and text.translate(_NO_MARKS) == bare else bare


def options_text(options: Sequence[str]) -> str:
    """Options as `(a) blue (b) yellow (c) pink`; letters begin again after z."""
    return " ".join(f"({letter}) {text.strip()}" for letter, text in zip(cycle(ascii_lowercase), options, strict=False))


def ocr_text(tokens: Sequence[str]) -> str:
    """The first MAX_OCR_TOKENS tokens that are not blank, as `STOP, 4-way`."""
    return ", ".join([token for token in tokens if token.strip()][:MAX_OCR_TOKENS])


def history_text(history: Sequence[Turn]) -> str:
    """The earlier rounds of a dialogue, each a line of the form HISTORY_ROUND."""
    return "\n".join(HISTORY_ROUND.format(turn.question.strip(), turn.answer.strip()) for turn in history)


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
    return {name: text for name, value in found if value and (text := value.strip())}


def _values(card: Card, annotation: Annotation, seed: int, position: int) -> tuple[dict[str, str], dict[str, str]]:
    """The values for open templates, and for those that list the options; they differ in the answer."""
    shared = field_values(annotation)
    drawn, right = _draw_answer(annotation, seed, position), _right_option(card, annotation)
    return ({**shared, "answer": drawn} if drawn else shared), ({**shared, **right} if right else shared)


def _values_for(template: Template, open_values: dict[str, str], choice_values: dict[str, str]) -> dict[str, str]:
    return choice_values if template.shows_options and "options_text" in choice_values else open_values


def _filled(template: Template, values: dict[str, str]) -> dict[str, str]:
    """`values`, with the empty text for what the template can do without."""
    return {**dict.fromkeys(template.optional, ""), **values} if template.optional else values


def _draw_answer(annotation: Annotation, seed: int, position: int) -> str | None:
    """One of the direct answers that are not blank, each as likely as the share of annotators who gave it."""
    answers = [answer for answer in annotation.answers if answer.text.strip()]
    total = sum(answer.count for answer in answers)
    if not total:
        return None
    ticket = keyed_below(total, seed, "templates/answer", position)
    for answer in answers:
        ticket -= answer.count
        if ticket < 0:
            return answer.text.strip()
    raise AssertionError("the ticket is below the sum of the counts")


def _right_option(card: Card, annotation: Annotation) -> dict[str, str]:
    """`answer` and `answer_letter` of the right option; empty where it is not known or blank."""
    index = annotation.answer_index
    if index is None:
        return {}
    if index >= len(annotation.options):
        problem = f"answer_index {index} points beyond the {len(annotation.options)} options"
        raise DataError(card.name, problem, row=f"annotation {annotation.id}", remedy=f"build {card.stored_as} again")
    text = annotation.options[index].strip()
    return {"answer": text, "answer_letter": ascii_lowercase[index % len(ascii_lowercase)]} if text else {}


def _unfit(
    card: Card,
    annotation: Annotation,
    templates: Iterable[Template],
    open_values: dict[str, str],
    choice_values: dict[str, str],
) -> DataError:
    """Why none of the templates can be rendered, told for the one that lacks least."""
    lacks = [t.lacks(_values_for(t, open_values, choice_values).keys()) for t in templates]
    least = min(lacks, key=len, default=frozenset(("training template",)))
    missing = ", ".join(sorted(least))
    has = ", ".join(sorted(open_values)) or "nothing"
    problem = f"no {missing} to render {card.task} from; the annotation has {quoted(has, 80)}"
    remedy = "a split whose answers are hidden cannot be rendered: choose another --split"
    return DataError(card.name, problem, row=f"annotation {annotation.id}", remedy=remedy)
