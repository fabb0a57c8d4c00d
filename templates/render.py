"""The functions of a `Renderer` for one folder, seed and options; they go once every caller holds a `Renderer`."""

from functools import lru_cache
from pathlib import Path

from ib_data.cards import Card
from ib_data.sample import Annotation
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.render_options import DEFAULT_OPTIONS, RenderOptions
from ib_data.templates.rendered import Rendered
from ib_data.templates.renderer import Renderer
from ib_data.templates.template import Template

__all__ = ["Rendered", "fixed_template", "render", "renderer", "templates_digest"]


@lru_cache(maxsize=64)
def renderer(folder: Path | None, seed: int, options: RenderOptions) -> Renderer:
    """The one renderer of these."""
    return Renderer(_library(folder), seed, options)


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
    """`Renderer.render`."""
    of = renderer(folder, seed, options)
    return of.render(card, annotation, position, template=template, may_hide=may_hide)


def fixed_template(card: Card, folder: Path | None = None) -> Template | None:
    """`Renderer.zero_shot`."""
    return renderer(folder, 0, DEFAULT_OPTIONS).zero_shot(card)


def templates_digest(card: Card, folder: Path | None = None) -> str:
    """`Renderer.digest`."""
    return renderer(folder, 0, DEFAULT_OPTIONS).digest(card)


@lru_cache(maxsize=64)
def _library(folder: Path | None) -> Library:
    return Library(folder) if folder else PACKAGED
