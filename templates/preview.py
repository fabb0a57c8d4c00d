"""Built samples with their instructions, as the terminal and the contact sheet show them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ib_data.builders.manifest import Manifest
from ib_data.cards import Card
from ib_data.errors import DataError
from ib_data.home import Home
from ib_data.sample import Annotation, Sample
from ib_data.templates.library import Template, load_task, zero_shot
from ib_data.templates.pick import built_split, first_samples
from ib_data.templates.render import Rendered, marked, render


@dataclass(frozen=True, slots=True)
class Example:
    """One annotation as rendered. `marked` is the instruction with its substituted parts between marks.

    Where nothing can be rendered (the split hides its answers) `rendered` is None and `problem` says why.
    """

    annotation: Annotation
    rendered: Rendered | None
    marked: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One sample of a dataset, the bytes of its image or clip (None without media), and its first annotations.

    `num_more` annotations are not among the `examples`.
    """

    card: Card
    manifest: Manifest
    sample: Sample
    media: bytes | None
    examples: tuple[Example, ...]
    num_more: int


def preview(
    home: Home,
    card: Card,
    *,
    n: int,
    split: str | None = None,
    seed: int = 0,
    per_sample: int = 3,
    folder: Path | None = None,
) -> list[Entry]:
    """The first `n` samples of a built split, `per_sample` annotations of each rendered at positions 0, 1, 2, ...

    A held-out dataset is rendered with its zero-shot prompt, any other with drawn training templates.
    Raises what `built_split` and `first_samples` raise.
    """
    manifest = built_split(home, card, split)
    template = fixed_template(card, folder)
    load_task(card.task, folder)  # a faulty template file is one error, not a note under every annotation
    positions = count()
    entries = []
    for sample, media in first_samples(home, card, manifest.split, n):
        shown = sample.annotations[:per_sample]
        examples = tuple(_examples(card, shown, positions, seed, template, folder))
        entries.append(Entry(card, manifest, sample, media, examples, len(sample.annotations) - len(shown)))
    return entries


def fixed_template(card: Card, folder: Path | None = None) -> Template | None:
    """The zero-shot prompt of a held-out dataset; None for one that draws a training template at every position."""
    return zero_shot(card, folder) if card.role == "held-out" else None


def _examples(
    card: Card,
    annotations: tuple[Annotation, ...],
    positions: Iterator[int],
    seed: int,
    template: Template | None,
    folder: Path | None,
) -> Iterator[Example]:
    for annotation, position in zip(annotations, positions, strict=False):
        try:
            rendered = render(card, annotation, seed=seed, position=position, template=template, folder=folder)
        except DataError as error:
            yield Example(annotation, None, "", str(error))
        else:
            yield Example(annotation, rendered, marked(card, annotation, rendered, folder))
