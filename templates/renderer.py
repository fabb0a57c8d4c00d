"""Renders an annotation to instruction and target: a pure function of annotation, seed and position."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from ib_data.annotation_fields import promised_fields
from ib_data.blank import trimmed
from ib_data.cards import Card
from ib_data.errors import quoted
from ib_data.keyed import keyed_below
from ib_data.sample import Annotation, Turn
from ib_data.templates.language import TemplateTextError, render_text
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.plain_inputs import plain_inputs
from ib_data.templates.render_errors import HiddenTargetError, RenderError
from ib_data.templates.render_options import DEFAULT_OPTIONS, RenderOptions
from ib_data.templates.rendered import Rendered
from ib_data.templates.template import Template, fitting
from ib_data.templates.values import Values, earlier_turns, usable_fields, values_of

_Fits = dict[tuple[str, frozenset[str], bool], tuple[Template, ...]]


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders annotations with the templates of a library, in a run with `seed`.

    Template, answer and order of options depend only on (seed, position). With options that leave out instructions, the
    templates of a task are its plain inputs, of which the first that fits is taken.
    """

    library: Library = PACKAGED
    seed: int = 0
    options: RenderOptions = DEFAULT_OPTIONS
    _fits: _Fits = field(default_factory=dict, init=False, repr=False, compare=False)
    _own: "dict[Path, Renderer]" = field(default_factory=dict, init=False, repr=False, compare=False)

    def of(self, card: Card) -> "Renderer":
        """The renderer for a dataset: this one, unless the dataset has its own templates and no folder was given."""
        if card.templates is None or self.library.folder:
            return self
        if card.templates not in self._own:
            self._own[card.templates] = Renderer(Library(card.templates), self.seed, self.options)
        return self._own[card.templates]

    def render(
        self,
        card: Card,
        annotation: Annotation,
        position: int,
        *,
        template: Template | None = None,
        may_hide: bool = False,
    ) -> Rendered:
        """The instruction and target of an annotation at a position of the run.

        Without `template`, draws a training template of the card's task from all that fit the annotation. Raises
        RenderError, with dataset and id, if no template fits or a text is empty or too long, and HiddenTargetError if
        only the target is missing. With `may_hide` (see `hides_targets`) the result then has no target instead.
        """
        if (own := self.of(card)) is not self:
            return own.render(card, annotation, position, template=template, may_hide=may_hide)
        values = values_of(card, annotation, seed=self.seed, position=position, options=self.options)
        candidates = self._candidates(card, annotation, (template,) if template else None, values.has, may_hide)
        return self._rendered(card, annotation, _draw(candidates, self.seed, position), values)

    def render_in_pass(self, card: Card, annotation: Annotation, position: int, *, may_hide: bool) -> Rendered:
        """As `render`, as a pass over a split does: a held-out dataset by its zero-shot prompt."""
        return self.render(card, annotation, position, template=self.zero_shot(card), may_hide=may_hide)

    def render_all(
        self, card: Card, annotation: Annotation, position: int, *, may_hide: bool = False
    ) -> list[Rendered]:
        """The annotation rendered by every training template that fits, and by the zero-shot prompt if held out.

        `may_hide` as in `render`. Raises RenderError if none fits.
        """
        if (own := self.of(card)) is not self:
            return own.render_all(card, annotation, position, may_hide=may_hide)
        values = values_of(card, annotation, seed=self.seed, position=position, options=self.options)
        prompt = self.zero_shot(card)
        known = (*self.templates(card.task), *([prompt] if prompt else []))
        candidates = self._candidates(card, annotation, known, values.has, may_hide)
        return [self._rendered(card, annotation, template, values) for template in candidates]

    def templates(self, task: str) -> tuple[Template, ...]:
        """The training templates of a task, or its plain inputs. Raises what `Library.load` raises."""
        known = tuple(template for template in self.library.load(task) if template.kind == "train")
        return known if self.options.instructions == "templates" else plain_inputs(task, known)

    def fitting(self, task: str, has: frozenset[str], *, needs_target: bool = True) -> tuple[Template, ...]:
        """The training templates of a task that fit annotations with the fields `has` (of `annotation_fields`).

        Few sets of fields occur, so the result is cached and looked up in 0.3 us.
        """
        key = task, usable_fields(has, self.options), needs_target
        if (found := self._fits.get(key)) is None:
            found = fitting(self.templates(task), key[1], needs_target=needs_target)
            found = self._fits[key] = found if self.options.instructions == "templates" else found[:1]
        return found

    def drawn(self, task: str, has: frozenset[str], position: int) -> Template | None:
        """The template that `render` draws for an annotation with the fields `has`, or None if none fits."""
        candidates = self.fitting(task, has)
        return _draw(candidates, self.seed, position) if candidates else None

    def zero_shot(self, card: Card) -> Template | None:
        """The zero-shot prompt of a held-out dataset (paper, appendix E); None for a dataset that draws templates.

        If the user's file has no prompt for the dataset, the packaged one is used.
        """
        if card.role != "held-out":
            return None
        known = (*self.of(card).library.load(card.task), *PACKAGED.load(card.task))
        return next((t for t in known if t.kind == "zero_shot" and t.name == card.name), None)

    def template_of(self, rendered: Rendered) -> Template:
        """The template of a render made with the same library."""
        task = rendered.task  # its prompt may be a packaged one
        known = (*self.templates(task), *self.library.load(task), *PACKAGED.load(task))
        return next(t for t in known if (t.name, t.sha256) == (rendered.template, rendered.template_sha256))

    def digest(self, card: Card) -> str:
        """A SHA-256, in hex, of all templates of a dataset: names, texts, targets and their order."""
        prompt = self.zero_shot(card)
        used = [*([prompt] if prompt else []), *self.of(card).templates(card.task)]
        texts = [[t.name, t.text, *(target.text for target in t.targets)] for t in used]
        return sha256(json.dumps(texts).encode()).hexdigest()

    def hides_targets(self, card: Card, split: str) -> bool:
        """Whether annotations of a split may lack a target: the card promises no target's fields."""
        has = promised_fields(card.splits[split].fields)
        names = has | {"answer", "answer_letter"} if "right_option" in has else has
        known = self.of(card).library.load(card.task)
        return not any(target.needs <= names for template in known for target in template.targets)

    def _candidates(
        self,
        card: Card,
        annotation: Annotation,
        known: Sequence[Template] | None,
        has: frozenset[str],
        may_hide: bool,
    ) -> Sequence[Template]:
        """The templates of `known` (None: all that a run draws from) that fit. Raises RenderError if none does."""
        for needs_target in (True, False) if may_hide else (True,):
            if known is None:
                found = self.fitting(card.task, has, needs_target=needs_target)
            else:
                found = fitting(known, has, needs_target=needs_target)
            if found:
                return found
        raise self._unfit(card, annotation, known or self.templates(card.task), has)

    def _rendered(self, card: Card, annotation: Annotation, template: Template, values: Values) -> Rendered:
        shown = values.of(template, template.fields)
        instruction = _text(template.text, shown, card, annotation, template, "instruction")
        earlier = earlier_turns(annotation, self.options)
        if template.kind == "plain" and self.options.instructions == "dataset":
            instruction, earlier = _named(card, instruction, earlier)
        return Rendered(
            instruction,
            self._target(card, annotation, template, values),
            template.task,
            template.name,
            template.sha256,
            card.name,
            annotation.id,
            values.position,
            self.seed,
            earlier,
        )

    def _target(self, card: Card, annotation: Annotation, template: Template, values: Values) -> str | None:
        """The target, or None if the annotation has the fields of none."""
        usable = template.usable(values.has)
        output = template.target_for(usable)
        if output is None:
            return None
        learnt = values.of(template, output.needs)
        if self.options.choice_targets == "letter" and "answer_letter" in usable:
            learnt["answer"] = f"({values.text(template, 'answer_letter')})"
        return _text(output.text, learnt, card, annotation, template, "target")

    def _unfit(
        self, card: Card, annotation: Annotation, templates: Sequence[Template], has: frozenset[str]
    ) -> RenderError:
        """Why none of the templates can be rendered, explained for the one that lacks the fewest fields."""
        file = self.library.file(card.task).file
        if not templates:
            reason = f"no training template to render {card.task} from"
            return RenderError(card, annotation, reason, remedy=f"add one under [train] of {file}")
        least = min(templates, key=lambda t: len(t.lacks(has)))
        usable = least.usable(has)
        lacking = sorted(least.needs - usable)
        kind: type[RenderError] = RenderError
        if least.target_for(usable) is None:
            kind = RenderError if lacking else HiddenTargetError
            targets = (" and ".join(sorted(target.needs - usable)) for target in least.targets)
            lacking.append(" or ".join(dict.fromkeys(targets)))
            remedy = "a split with hidden answers cannot be trained on: choose another"
        elif least.kind == "plain":
            remedy = "leave its dataset out, or render with instructions = 'templates'"
        else:
            if least not in self.library.load(card.task):
                file = PACKAGED.file(card.task).file
            remedy = f"template {least.name!r} of {file} needs it: ask for it there in an `if`, or add one without it"
        reason = f"no {', '.join(lacking)} to render {card.task} from"
        names = ", ".join(sorted(usable)) or "nothing"
        return kind(card, annotation, f"{reason}; the annotation has {quoted(names, 80)}", reason=reason, remedy=remedy)


def _draw(candidates: Sequence[Template], seed: int, position: int) -> Template:
    """One of the candidates (at least one), by (seed, position) alone."""
    if len(candidates) == 1:
        return candidates[0]
    return candidates[keyed_below(len(candidates), seed, "templates/template", position)]


def _named(card: Card, text: str, earlier: tuple[Turn, ...]) -> tuple[str, tuple[Turn, ...]]:
    """An instruction and the turns before it, with task and dataset in front of the first text."""
    name = f"[{card.task.replace('_', ' ')}:{card.name}]"
    if not earlier:
        return f"{name} {text}".rstrip(), earlier
    first = replace(earlier[0], question=f"{name} {earlier[0].question}")
    return text, (first, *earlier[1:])


def _text(
    text: str, values: Mapping[str, str], card: Card, annotation: Annotation, template: Template, part: str
) -> str:
    """The rendered `part` without blanks at the ends. Raises RenderError if it cannot be rendered, or is empty.

    Only a plain input may be an empty instruction: captions have nothing but the image.
    """
    try:
        found = trimmed(render_text(text, values))
    except TemplateTextError as error:
        reason = f"template {template.name!r}, {part}: {error}"
        raise RenderError(card, annotation, reason) from error
    if not found and not (template.kind == "plain" and part == "instruction"):
        raise RenderError(card, annotation, f"template {template.name!r} renders an empty {part}")
    return found
