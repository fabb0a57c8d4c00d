"""Built samples with their instructions, as the terminal and the contact sheet show them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count

from ib_data.cards import Card
from ib_data.errors import DataError
from ib_data.home import Home
from ib_data.sample import Annotation, Sample
from ib_data.stored.manifest import Manifest
from ib_data.templates.pick import built_split, first_rows, read_row
from ib_data.templates.rendered import Rendered
from ib_data.templates.renderer import Renderer
from ib_data.templates.sheet.highlights import marked
from ib_data.templates.template import Template

# What stands in the place of a target where the split hides its answers.
HIDDEN = "(the answer is hidden)"


@dataclass(frozen=True, slots=True)
class Example:
    """One annotation as rendered by `template`. `marked` is the instruction with its substituted parts between marks.

    Where nothing can be rendered there is neither, and `problem` says why.
    """

    annotation: Annotation
    rendered: Rendered | None = None
    template: Template | None = None
    marked: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One sample of a dataset, its first annotations, and the bytes of its image or clip where they were asked for.

    `media` is also None in a build without media. `num_more` annotations are not among the `examples`. A sample that
    cannot be read is None, and `problem` says why.
    """

    card: Card
    manifest: Manifest
    key: str
    sample: Sample | None
    media: bytes | None
    examples: tuple[Example, ...]
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
    max_annotations: int | None = None,
    all_templates: bool = False,
    media: bool = False,
) -> Iterator[Entry]:
    """The first `n` samples of a built split, `per_sample` annotations of each rendered at positions 0, 1, 2, ...

    No more than `max_annotations` are rendered in all; samples beyond that are left out. A held-out dataset is rendered
    with its zero-shot prompt, any other with drawn training templates, and with `all_templates` through all that fit;
    where the split hides its answers, without a target.
    Samples are read one at a time, as they are asked for, their images and clips only with `media`.
    Raises what `built_split` and `first_rows` raise; a sample that cannot be read is an entry with a problem.
    """
    manifest = built_split(home, card, split)
    renderer.templates(card.task)  # a faulty template file is one error, not a note under every annotation
    may_hide = renderer.hides_targets(card, manifest.split)
    one_by_one = _Examples(renderer, card, all_templates, may_hide)
    positions = iter(range(max_annotations)) if max_annotations is not None else count()
    for row in first_rows(home, card, manifest, n):
        try:
            sample, data = read_row(home, card, manifest, row, media=media)
        except DataError as error:
            yield Entry(card, manifest, row["key"], None, None, (), 0, str(error))
            continue
        shown = list(zip(sample.annotations[:per_sample], positions, strict=False))
        if not shown:
            return
        examples = tuple(example for annotation, position in shown for example in one_by_one.at(annotation, position))
        yield Entry(card, manifest, sample.key, sample, data, examples, len(sample.annotations) - len(shown))


@dataclass(frozen=True, slots=True)
class _Examples:
    """How annotations become examples."""

    renderer: Renderer
    card: Card
    all_templates: bool
    may_hide: bool

    def at(self, annotation: Annotation, position: int) -> Iterable[Example]:
        """One example, or one for each template; or one that says why there is none."""
        try:
            found = self._rendered(annotation, position)
        except DataError as error:
            return (Example(annotation, problem=str(error)),)
        return [self._example(annotation, rendered) for rendered in found]

    def _rendered(self, annotation: Annotation, position: int) -> list[Rendered]:
        if self.all_templates:
            return self.renderer.render_all(self.card, annotation, position, may_hide=self.may_hide)
        prompt = self.renderer.zero_shot(self.card)
        return [self.renderer.render(self.card, annotation, position, template=prompt, may_hide=self.may_hide)]

    def _example(self, annotation: Annotation, rendered: Rendered) -> Example:
        shown = marked(self.renderer, self.card, annotation, rendered)
        return Example(annotation, rendered, self.renderer.template_of(rendered), shown)
