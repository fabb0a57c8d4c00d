"""Built samples with their renders, for the terminal and the contact sheet."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count

from ib_data.cards import Card
from ib_data.cards.built import open_split
from ib_data.errors import DataError, IbDataError
from ib_data.home import Home
from ib_data.sample import Annotation, Sample
from ib_data.stored.manifest import Manifest
from ib_data.templates.rendered import Rendered
from ib_data.templates.renderer import Renderer
from ib_data.templates.sheet.highlights import marked
from ib_data.templates.sheet.selection import FIRST, Selection, selected
from ib_data.templates.template import Template

# Shown as the target if the split hides its answers.
HIDDEN = "(the answer is hidden)"


@dataclass(frozen=True, slots=True)
class ShownAnnotation:
    """One annotation rendered by `template`. `marked` is the instruction with marks around substituted parts.

    If it cannot be rendered, both are None and `problem` says why.
    """

    annotation: Annotation
    rendered: Rendered | None = None
    template: Template | None = None
    marked: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One sample of a dataset, its first annotations, and the bytes of its image or clip if requested.

    `media` is also None in a build without media. `num_more` annotations are not in `examples`. If the sample cannot
    be read, it is None and `problem` says why.
    """

    card: Card
    manifest: Manifest
    key: str
    sample: Sample | None
    media: bytes | None
    examples: tuple[ShownAnnotation, ...]
    num_more: int
    problem: str | None = None


def preview(
    home: Home,
    card: Card,
    renderer: Renderer,
    *,
    n: int,
    split: str | None = None,
    per_sample: int = 3,
    selection: Selection = FIRST,
    max_annotations: int | None = None,
    all_templates: bool = False,
    media: bool = False,
) -> Iterator[Entry]:
    """The first `n` samples of the `selection` in a built split, with `per_sample` rendered annotations each.

    Positions are 0, 1, 2, ...; at most `max_annotations` are rendered in total, and samples beyond that are left out.
    A held-out dataset uses its zero-shot prompt, any other drawn training templates, or all that fit with
    `all_templates`. If the split hides its answers, there is no target.
    Reads samples lazily, one at a time, and images and clips only with `media`. Raises what `open_split` raises,
    DataError for an unusable index, and IbDataError for a split without samples; a sample that cannot be read becomes
    an entry with a problem.
    """
    built = open_split(home, card, split, verify=False)
    manifest = built.manifest
    if not built.num_samples:
        remedy = 'see `ib-data sql "from drops"` for the reasons'
        raise IbDataError(f"{card.name}: split {built.split!r} is built, but has no samples; {remedy}")
    renderer = renderer.of(card)
    renderer.templates(card.task)  # so that a faulty template file is one error, not a note under every annotation
    may_hide = renderer.hides_targets(card, manifest.split)
    one_by_one = _Examples(renderer, card, all_templates, may_hide)
    positions = iter(range(max_annotations)) if max_annotations is not None else count()
    for ref, ids in selected(built, card.name, selection, n, renderer.seed):
        try:
            sample, data = built.read(ref, media=media)
        except DataError as error:
            yield Entry(card, manifest, ref.key, None, None, (), 0, str(error))
            continue
        wanted = [annotation for annotation in sample.annotations if ids is None or annotation.id in ids]
        shown = list(zip(wanted[:per_sample], positions, strict=False))
        if not shown:
            return
        examples = tuple(example for annotation, position in shown for example in one_by_one.at(annotation, position))
        yield Entry(card, manifest, sample.key, sample, data, examples, len(sample.annotations) - len(shown))


@dataclass(frozen=True, slots=True)
class _Examples:
    """Renders annotations as examples."""

    renderer: Renderer
    card: Card
    all_templates: bool
    may_hide: bool

    def at(self, annotation: Annotation, position: int) -> Iterable[ShownAnnotation]:
        """One example, one for each template, or one with the problem."""
        try:
            found = self._rendered(annotation, position)
        except DataError as error:
            return (ShownAnnotation(annotation, problem=str(error)),)
        return [self._example(annotation, rendered) for rendered in found]

    def _rendered(self, annotation: Annotation, position: int) -> list[Rendered]:
        if self.all_templates:
            return self.renderer.render_all(self.card, annotation, position, may_hide=self.may_hide)
        return [self.renderer.render_in_pass(self.card, annotation, position, may_hide=self.may_hide)]

    def _example(self, annotation: Annotation, rendered: Rendered) -> ShownAnnotation:
        shown = marked(self.renderer, self.card, annotation, rendered)
        return ShownAnnotation(annotation, rendered, self.renderer.template_of(rendered), shown)
