"""The questions of a split: which annotations belong together, the prompt of each, and what is ranked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ib_data.annotation_fields import fields_of
from ib_data.cards import Card
from ib_data.errors import IbDataError
from ib_data.evaluation.case import Case
from ib_data.evaluation.protocols.protocol import Protocol, is_captioning
from ib_data.evaluation.scoring.golds import extra_at
from ib_data.keyed import keyed_below, keyed_bits
from ib_data.mixtures.order.permutation import chosen_numbers
from ib_data.sample import Annotation
from ib_data.stored.built_split import BuiltSplit
from ib_data.templates.render_errors import RenderError
from ib_data.templates.renderer import Renderer
from ib_data.templates.template import Template
from ib_data.templates.template_file import own_prompt

# Not a seed of a run: the same part and the same templates for every model, so that scores can be compared.
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseMaker:
    """Makes the cases of a protocol. `prompt`, if given, replaces the zero-shot prompt or the drawn templates."""

    card: Card
    protocol: Protocol
    renderer: Renderer
    prompt: str = ""
    vocabulary: Sequence[str] = ()

    def cases(self, built: BuiltSplit, number: int = 0) -> list[Case]:
        """The cases of a split in the order of its index, or `number` of them, chosen by a fixed key.

        Those that the protocol leaves out are absent. A case whose prompt cannot be rendered says why in `fault`.
        """
        found = zip(chosen_rows(built, self.card, number), bare_cases(built, self.card, number), strict=True)
        fixed = self._fixed()
        return [self._completed(case, rows[0], fixed) for rows, case in found if not is_left_out(case, self.protocol)]

    def shown_prompt(self) -> str:
        """The text of the prompt, or which templates are drawn."""
        fixed = self._fixed()
        return fixed.text if fixed else f"templates of {self.card.task}"

    def _completed(self, case: Case, row: int, fixed: Template | None) -> Case:
        first = case.annotations[0]
        candidates = self._candidates(first)
        try:
            template = fixed or self._drawn(first, row)
            shown = self.renderer.render(self.card, first, row, template=template, may_hide=True)
        except RenderError as error:
            return replace(case, candidates=candidates, fault=str(error))
        return replace(case, candidates=candidates, prompt=shown.instruction, template=shown.template)

    def _candidates(self, annotation: Annotation) -> tuple[str, ...]:
        protocol = self.protocol
        if protocol.method == "generate":
            return ()
        if protocol.candidates == "options":
            return annotation.options
        if protocol.candidates == "verbalisers":
            return tuple(word for words in protocol.verbalisers.values() for word in words)
        if protocol.candidates == "answer":
            return tuple(answer.text for answer in annotation.answers[:1])
        return tuple(self.vocabulary)

    def _fixed(self) -> Template | None:
        """The one prompt of all cases, or None if templates are drawn."""
        zero_shot = self.renderer.zero_shot(self.card)
        if not self.prompt:
            return zero_shot
        like = zero_shot or self.renderer.templates(self.card.task)[0]
        return own_prompt(self.card.task, self.card.name, self.prompt, like.targets)

    def _drawn(self, annotation: Annotation, row: int) -> Template | None:
        """A training template by the row: one that lists the options if these are ranked, else one that does not."""
        has = fields_of(annotation)
        known = self.renderer.of(self.card).fitting(self.card.task, has, needs_target=False)
        ranked = self.protocol.candidates == "options"
        chosen = [t for t in known if t.lists_options(has) == ranked] or list(known)
        return chosen[keyed_below(len(chosen), _SEED, "evaluation/template", row)] if chosen else None


def bare_cases(built: BuiltSplit, card: Card, number: int = 0) -> Iterator[Case]:
    """The cases of `chosen_rows`, in order, without prompts and candidates; those that protocols leave out included."""
    groups = chosen_rows(built, card, number)
    annotations = iter(built.annotations_at([row for group in groups for row in group]))
    for group in groups:
        own = tuple(next(annotations)[1] for _ in group)
        key, sha = built.rows.ids(group[0])[0], built.rows.media_sha256(group[0])
        yield Case(id=own[0].id, key=key, annotations=own, prompt="", template="", media_sha256=sha)


def is_left_out(case: Case, protocol: Protocol) -> bool:
    """Whether the protocol excludes a case by its own fields."""
    return bool(protocol.left_out and extra_at(case, protocol.left_out))


def chosen_rows(built: BuiltSplit, card: Card, number: int) -> list[range]:
    """The rows of each case: all captions of an image together, any other annotation alone; `number` of them if not 0.

    Raises IbDataError for a split without annotations.
    """
    starts: Sequence[int] = built.rows.samples if is_captioning(card) else range(len(built) + 1)  # type: ignore[assignment]
    count = num_cases(built, card)
    if not count:
        raise IbDataError(f"{card.name}/{built.split}: no annotation is built; there is nothing to evaluate")
    wanted: Sequence[int] = range(count)
    if number:
        wanted = chosen_numbers(
            count, number, keyed_bits(_SEED, f"evaluation/part/{card.stored_as}/{built.split}") % 2**64
        )
    return [range(int(starts[i]), int(starts[i + 1])) for i in wanted]


def num_cases(built: BuiltSplit, card: Card) -> int:
    """The number of cases in a split, those that a protocol leaves out included."""
    return built.num_samples if is_captioning(card) else len(built)


def windows(cases: Sequence[Case], size: int) -> Iterator[Sequence[Case]]:
    """The cases in pieces of at least `size`, cut only between images."""
    start = 0
    while start < len(cases):
        end = min(start + size, len(cases))
        while end < len(cases) and cases[end].key == cases[end - 1].key:
            end += 1
        yield cases[start:end]
        start = end
