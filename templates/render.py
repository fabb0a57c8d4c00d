"""From an annotation to (instruction, target): a pure function of the annotation, the seed and the position."""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from ib_data.blank import trimmed
from ib_data.cards import Card
from ib_data.errors import quoted
from ib_data.keyed import keyed_below
from ib_data.sample import Annotation, Turn
from ib_data.templates.fields import HiddenTargetError, RenderError, Values, earlier_turns, values_of
from ib_data.templates.language import TemplateTextError, render_text
from ib_data.templates.library import Template, load_task, zero_shot
from ib_data.templates.render_options import DEFAULT_OPTIONS, RenderOptions

# Private-use characters that stand around a substituted value in `marked`; the contact sheet turns them into markup.
MARK_START, MARK_END = "\ue000", "\ue001"
_NO_MARKS = {ord(MARK_START): None, ord(MARK_END): None}


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a trainer sees of one annotation, and all that is needed to render it again.

    `target` is None where the split hides its answers. `template` is a name among the templates of `task`;
    `template_sha256` the hash of its text, in hex, which leaves out the text of its target: `templates_digest` and the
    fingerprint of a stream cover both. `earlier` are the turns of a chat before the instruction, oldest first; their
    answers are learnt too.
    """

    instruction: str
    target: str | None
    task: str
    template: str
    template_sha256: str
    dataset: str
    annotation_id: str
    position: int
    seed: int
    earlier: tuple[Turn, ...] = ()

    @property
    def hidden(self) -> bool:
        """Whether there is an instruction alone: the split hides its answers."""
        return self.target is None

    @property
    def segments(self) -> tuple[tuple[str, bool], ...]:
        """The texts in the order in which a model reads them, each with whether it is learnt; no hidden target."""
        turns = ((turn.question, turn.answer) for turn in self.earlier)
        pairs = (*turns, (self.instruction, self.target))
        parts = (segment for asked, answer in pairs for segment in ((asked, False), (answer, True)))
        return tuple((text, is_learnt) for text, is_learnt in parts if text is not None)

    def to_plain(self) -> dict[str, Any]:
        """The fields as JSON values; `earlier` only where there are earlier turns.

        `hidden` is there, and true, only where `target` is null.
        """
        plain = asdict(self)
        if not self.earlier:
            del plain["earlier"]
        return {**plain, "hidden": True} if self.hidden else plain


def render(
    card: Card,
    annotation: Annotation,
    *,
    seed: int,
    position: int,
    template: Template | None = None,
    folder: Path | None = None,
    options: RenderOptions = DEFAULT_OPTIONS,
    may_hide: bool = False,
) -> Rendered:
    """The instruction and target of an annotation at a position of a run; 8 to 14 us by task.

    Without `template` one of the training templates of the card's task (those in `folder` first, see `load_task`) is
    drawn from all that the annotation has the fields for. Template, answer and the order of options depend on
    (seed, position) alone. Raises RenderError (dataset and id named) where no template fits, where a text comes out
    empty and where it comes out endless; HiddenTargetError where only the target is missing. With `may_hide` (see
    `fields.hides_targets`) the instruction is then rendered without one.
    """
    values = values_of(card, annotation, seed=seed, position=position, options=options)
    folder = folder or card.templates
    candidates = _candidates(card, annotation, (template,) if template else None, values, folder, may_hide)
    drawn = draw_template(candidates, seed, position)
    instruction = _text(drawn.text, values.of(drawn, drawn.fields), card, annotation, drawn, "instruction")
    return Rendered(
        instruction,
        _target(card, annotation, drawn, values, options),
        drawn.task,
        drawn.name,
        drawn.sha256,
        card.name,
        annotation.id,
        position,
        seed,
        earlier_turns(annotation, options),
    )


def render_all(
    card: Card,
    annotation: Annotation,
    *,
    seed: int,
    position: int,
    folder: Path | None = None,
    options: RenderOptions = DEFAULT_OPTIONS,
    may_hide: bool = False,
) -> list[Rendered]:
    """The annotation through every training template it has the fields for, and its zero-shot prompt if it is held out.

    `may_hide` as in `render`. Raises RenderError where none fits.
    """
    values = values_of(card, annotation, seed=seed, position=position, options=options)
    folder = folder or card.templates
    fixed = fixed_template(card, folder)
    known = (*training_templates(card.task, folder), *([fixed] if fixed else []))
    return [
        render(card, annotation, seed=seed, position=position, template=t, options=options, may_hide=may_hide)
        for t in _candidates(card, annotation, known, values, folder, may_hide)
    ]


def training_templates(task: str, folder: Path | None = None) -> list[Template]:
    """The templates that a run draws from. Raises what `load_task` raises."""
    return [template for template in load_task(task, folder) if template.kind == "train"]


def fixed_template(card: Card, folder: Path | None = None) -> Template | None:
    """The zero-shot prompt of a held-out dataset; None for one that draws a training template at every position.

    A file in `folder` that has no prompt for the dataset leaves it the one that comes along: it is never drawn for.
    """
    return zero_shot(card, folder or card.templates) or zero_shot(card) if card.role == "held-out" else None


def templates_digest(card: Card, folder: Path | None = None) -> str:
    """A SHA-256, in hex, of all templates that a dataset may be rendered by: names, texts, targets and their order."""
    folder = folder or card.templates
    fixed = fixed_template(card, folder)
    used = [*([fixed] if fixed else []), *training_templates(card.task, folder)]
    texts = [[t.name, t.text, *(target.text for target in t.targets)] for t in used]
    return sha256(json.dumps(texts).encode()).hexdigest()


@lru_cache(maxsize=4096)
def eligible(
    task: str,
    folder: Path | None,
    open_fields: frozenset[str],
    choice_fields: frozenset[str],
    needs_target: bool = True,
) -> tuple[Template, ...]:
    """The training templates of a task that fit these fields. Few sets of fields occur: cached, it takes 0.3 us."""
    return tuple(fitting(training_templates(task, folder), open_fields, choice_fields, needs_target))


def fitting(
    templates: Iterable[Template], open_fields: Set[str], choice_fields: Set[str], needs_target: bool = True
) -> list[Template]:
    """The templates whose fields are all there: `choice_fields` for those that list options, else `open_fields`.

    Without `needs_target` those of the instruction are enough.
    """
    has_options = "options_text" in choice_fields
    found = ((t, choice_fields if has_options and t.shows_options else open_fields) for t in templates)
    return [t for t, fields in found if (t.fits(fields) if needs_target else t.needs <= fields)]


def draw_template(candidates: Sequence[Template], seed: int, position: int) -> Template:
    """One of at least one candidate, by (seed, position) alone."""
    if len(candidates) == 1:
        return candidates[0]
    return candidates[keyed_below(len(candidates), seed, "templates/template", position)]


def template_of(rendered: Rendered, folder: Path | None = None) -> Template:
    """The template that was rendered; `folder` as it was given to `render`."""
    known = (*load_task(rendered.task, folder), *load_task(rendered.task))  # a prompt may have come along
    return next(t for t in known if (t.name, t.sha256) == (rendered.template, rendered.template_sha256))


def marked(
    card: Card,
    annotation: Annotation,
    rendered: Rendered,
    folder: Path | None = None,
    options: RenderOptions = DEFAULT_OPTIONS,
) -> str:
    """The rendered instruction with MARK_START and MARK_END around each value that was put into the template.

    Marks in the values themselves are removed. Where a filter changes a marked value otherwise than the bare one (as
    `capitalize` does) the instruction comes back without marks.
    """
    template = template_of(rendered, folder)
    values = values_of(card, annotation, seed=rendered.seed, position=rendered.position, options=options)
    shown = values.of(template, template.fields)
    around = {
        name: f"{MARK_START}{value.translate(_NO_MARKS)}{MARK_END}" if value else "" for name, value in shown.items()
    }
    bare = rendered.instruction.translate(_NO_MARKS)
    try:
        text = trimmed(render_text(template.text, around))
    except TemplateTextError:  # the marks made it too long
        return bare
    balanced = text.count(MARK_START) == text.count(MARK_END)
    return text if balanced and text.translate(_NO_MARKS) == bare else bare


def _candidates(
    card: Card,
    annotation: Annotation,
    known: Sequence[Template] | None,
    values: Values,
    folder: Path | None,
    may_hide: bool,
) -> Sequence[Template]:
    """Those of the templates `known` (None: of all that a run draws from) that fit; RenderError where none does."""
    for needs_target in (True, False) if may_hide else (True,):
        if known is None:
            found: Sequence[Template] = eligible(card.task, folder, values.open, values.choice, needs_target)
        else:
            found = fitting(known, values.open, values.choice, needs_target)
        if found:
            return found
    raise _unfit(card, annotation, known or training_templates(card.task, folder), values, folder)


def _target(
    card: Card, annotation: Annotation, template: Template, values: Values, options: RenderOptions
) -> str | None:
    """What is learnt; None where the annotation has the fields of no target."""
    output = template.target_for(values.fields(template))
    if output is None:
        return None
    learnt = values.of(template, output.needs)
    if options.choice_targets == "letter" and values.listed_by(template) and "answer_letter" in values.choice:
        learnt["answer"] = f"({values.text(template, 'answer_letter')})"
    return _text(output.text, learnt, card, annotation, template, "target")


def _text(
    text: str, values: Mapping[str, str], card: Card, annotation: Annotation, template: Template, part: str
) -> str:
    """The rendered `part` without blanks at its ends; RenderError where it is empty or cannot be rendered."""
    try:
        found = trimmed(render_text(text, values))
    except TemplateTextError as error:
        reason = f"template {template.name!r}, {part}: {error}"
        raise RenderError(card, annotation, reason) from error
    if not found:
        raise RenderError(card, annotation, f"template {template.name!r} renders an empty {part}")
    return found


def _unfit(
    card: Card, annotation: Annotation, templates: Sequence[Template], values: Values, folder: Path | None
) -> RenderError:
    """Why none of the templates can be rendered, told for the one that lacks least."""
    if not templates:
        reason = f"no training template to render {card.task} from"
        return RenderError(card, annotation, reason, remedy=f"add one under [train] of {_file_of(card.task, folder)}")
    least = min(templates, key=lambda t: len(t.lacks(values.fields(t))))
    given = values.fields(least)
    lacking = sorted(least.needs - given)
    kind: type[RenderError] = RenderError
    if least.target_for(given) is None:
        kind = RenderError if lacking else HiddenTargetError
        targets = (" and ".join(sorted(target.needs - given)) for target in least.targets)
        lacking.append(" or ".join(dict.fromkeys(targets)))
        remedy = "nothing can be learnt from a split whose answers are hidden: choose another"
    else:
        file = _file_of(card.task, folder if least in load_task(card.task, folder) else None)
        remedy = f"template {least.name!r} of {file} needs it: ask for it there in an `if`, or add one without it"
    reason = f"no {', '.join(lacking)} to render {card.task} from"
    has = ", ".join(sorted(given)) or "nothing"
    return kind(card, annotation, f"{reason}; the annotation has {quoted(has, 80)}", reason=reason, remedy=remedy)


def _file_of(task: str, folder: Path | None) -> str:
    """The file that a task's templates are read from."""
    own = folder / f"{task}.toml" if folder else None
    return str(own) if own and own.is_file() else f"templates/{task}.toml"
