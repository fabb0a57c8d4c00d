"""`ib_data.render`: one annotation to the instruction and target that a trainer sees."""

import json
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ib_data.cards import find_card
from ib_data.errors import IbDataError, did_you_mean, quoted
from ib_data.file_state import FileState
from ib_data.given import fault, folder, integer, require_kind, require_text
from ib_data.mixtures.catalog.relations import RELATIONS
from ib_data.sample import Annotation, Media, StoredSample
from ib_data.stored.index import SCHEMA
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.render_options import DEFAULT_OPTIONS, RenderOptions
from ib_data.templates.rendered import Rendered
from ib_data.templates.renderer import Renderer
from ib_data.templates.template import Template

_FIELDS = tuple(Annotation.__dataclass_fields__)
_COLUMNS = {*_FIELDS, *SCHEMA.names, *RELATIONS["annotations"].columns}
_States = tuple[tuple[str, FileState], ...]


def render(
    dataset: str,
    annotation: Annotation | Mapping[str, Any],
    *,
    position: int = 0,
    seed: int = 0,
    template: str | None = None,
    templates: str | os.PathLike[str] | None = None,
    options: RenderOptions = DEFAULT_OPTIONS,
) -> Rendered:
    """The instruction and target of an annotation of `dataset` (a dataset or a view), like `ib-data render`.

    `annotation` comes from a `BuiltSplit`, or is a mapping: an annotation in a sample's JSON, or a row of
    `index.parquet` or of the catalog. A held-out dataset uses its zero-shot prompt, any other the template drawn by
    (seed, position), unless `template` names one. `templates` is a folder of templates that take precedence over the
    packaged ones. The target is None if the annotation has none.

    Raises IbDataError for an unknown dataset, template or key of a mapping, SampleError for a mapping that is not an
    annotation, and RenderError if no template fits.
    """
    require_kind("dataset", dataset, str, "the name of a dataset")
    require_kind("annotation", annotation, (Annotation, Mapping), "an Annotation or a mapping")
    require_text("template", template, "the name of a template or None")
    require_kind("options", options, RenderOptions, "RenderOptions")
    card = find_card(dataset)
    found = annotation if isinstance(annotation, Annotation) else _annotation(annotation)
    own = card.templates if templates is None else folder("templates", templates)
    renderer = _renderer(own, _states(own), integer("seed", seed), options)
    position = integer("position", position, 0)
    if template is None:
        return renderer.render_in_pass(card, found, position, may_hide=True)
    chosen = _template(renderer.library, card.task, template)
    return renderer.render(card, found, position, template=chosen, may_hide=True)


@lru_cache(maxsize=16)
def _renderer(own: Path | None, _states: _States, seed: int, options: RenderOptions) -> Renderer:
    """One renderer for many calls while the files of `own` stay the same: it caches which templates fit."""
    return Renderer(PACKAGED if own is None else Library(own), seed, options)


def _states(own: Path | None) -> _States:
    """The names and states of the template files in a folder."""
    return tuple((path.name, FileState.at(path)) for path in sorted(own.glob("*.toml"))) if own else ()


def _template(library: Library, task: str, name: str) -> Template:
    known = {template.name: template for template in (*PACKAGED.load(task), *library.load(task))}
    if name not in known:
        raise IbDataError(f"{task} has no template {name!r}; {did_you_mean(name, known)}")
    return known[name]


def _annotation(row: Mapping[str, Any]) -> Annotation:
    """The annotation in a mapping, parsed strictly; further columns of the index and the catalog are ignored."""
    for key in row:
        if key not in _COLUMNS:
            raise IbDataError(f"annotation: unknown key {quoted(key)}; {did_you_mean(str(key), _FIELDS)}")
    given = {name: row[name] for name in _FIELDS if row.get(name) is not None}
    if isinstance(given.get("extra"), str):  # as the index has it
        try:
            given["extra"] = json.loads(given["extra"])
        except ValueError:
            raise fault("extra", "a mapping, or one as JSON", given["extra"]) from None
    media = Media(kind="image", source_name="-")
    return StoredSample(key="-", dataset="-", split="-", media=media, raw_annotations=(given,)).annotation(0)
