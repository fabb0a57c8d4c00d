"""From an annotation to (instruction, target): a pure function of the annotation, the seed and the position."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from string import ascii_lowercase

from ib_data.cards import Card
from ib_data.errors import DataError, quoted
from ib_data.keyed import keyed_below
from ib_data.sample import Annotation
from ib_data.templates.language import compiled
from ib_data.templates.library import Template, load_task

# Private-use characters that stand around a substituted value in `marked`; the contact sheet turns them into markup.
MARK_START, MARK_END = "\ue000", "\ue001"
_NO_MARKS = {ord(MARK_START): None, ord(MARK_END): None}


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
    known = (template,) if template else [t for t in load_task(card.task, folder) if t.kind == "train"]
    candidates = fitting(known, open_values.keys(), choice_values.keys())
    if not candidates:
        raise _unfit(card, annotation, known, open_values, choice_values)
    drawn = draw_template(candidates, seed, position)
    values = choice_values if drawn.shows_options else open_values
    instruction = compiled(drawn.text).render(values).strip()
    target = compiled(drawn.target).render(values).strip()
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


def fitting(templates: Iterable[Template], open_fields: Set[str], choice_fields: Set[str]) -> list[Template]:
    """The templates whose fields are all there: `choice_fields` for those that list options, else `open_fields`."""
    return [t for t in templates if t.needs <= (choice_fields if t.shows_options else open_fields)]


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
    values = choice_values if template.shows_options else open_values
    around = {name: f"{MARK_START}{value.translate(_NO_MARKS)}{MARK_END}" for name, value in values.items()}
    text = compiled(template.text).render(around).strip()
    bare = rendered.instruction.translate(_NO_MARKS)
    balanced = text.count(MARK_START) == text.count(MARK_END)
    return text if balanced and text.translate(_NO_MARKS) == bare else bare


def options_text(options: Sequence[str]) -> str:
    """Options as `(a) blue (b) yellow (c) pink`; letters begin again after z."""
    return " ".join(f"({letter}) {text.strip()}" for letter, text in zip(cycle(ascii_lowercase), options, strict=False))


def field_values(annotation: Annotation) -> dict[str, str]:
    """The texts of an annotation that templates may use, all but `answer`, without blanks at their ends.

    What the annotation lacks is not in the result. `ocr_text` is the tokens joined by commas.
    """
    found = (
        ("question", annotation.question),
        ("caption", annotation.caption),
        ("context", annotation.context),
        ("statement", annotation.statement),
        ("label", annotation.label),
        ("options_text", options_text(annotation.options) if annotation.options else None),
        ("ocr_text", ", ".join(annotation.ocr_tokens)),
    )
    return {name: text for name, value in found if value and (text := value.strip())}


def _values(card: Card, annotation: Annotation, seed: int, position: int) -> tuple[dict[str, str], dict[str, str]]:
    """The values for open templates, and for those that list the options; they differ in `answer`."""
    shared = field_values(annotation)
    drawn, right = _draw_answer(annotation, seed, position), _right_option(card, annotation)
    open_values = {**shared, "answer": drawn} if drawn else shared
    return open_values, ({**shared, "answer": right} if right else shared)


def _draw_answer(annotation: Annotation, seed: int, position: int) -> str | None:
    """One of the direct answers, each as likely as the share of annotators who gave it."""
    total = sum(answer.count for answer in annotation.answers)
    if not total:
        return None
    ticket = keyed_below(total, seed, "templates/answer", position)
    for answer in annotation.answers:
        ticket -= answer.count
        if ticket < 0:
            return answer.text.strip()
    raise AssertionError("the ticket is below the sum of the counts")


def _right_option(card: Card, annotation: Annotation) -> str | None:
    index = annotation.answer_index
    if index is None:
        return None
    if index >= len(annotation.options):
        problem = f"answer_index {index} points beyond the {len(annotation.options)} options"
        raise DataError(card.name, problem, row=f"annotation {annotation.id}", remedy=f"build {card.stored_as} again")
    return annotation.options[index].strip()


def _unfit(
    card: Card,
    annotation: Annotation,
    templates: Iterable[Template],
    open_values: Mapping[str, str],
    choice_values: Mapping[str, str],
) -> DataError:
    """Why none of the templates can be rendered, told for the one that lacks least."""
    lacks = [t.needs.difference(choice_values if t.shows_options else open_values) for t in templates]
    least = min(lacks, key=len, default=frozenset(("training template",)))
    missing = ", ".join(sorted(least))
    has = ", ".join(sorted(open_values)) or "nothing"
    problem = f"no {missing} to render {card.task} from; the annotation has {quoted(has, 80)}"
    remedy = "a split whose answers are hidden cannot be rendered: choose another --split"
    return DataError(card.name, problem, row=f"annotation {annotation.id}", remedy=remedy)
