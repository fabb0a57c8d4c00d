"""The contact sheet: one HTML file with images, instructions and targets, without server or script.

Captions, questions and scene text are untrusted: all text is escaped, images are decoded and re-encoded, and the
content security policy of the page forbids all loads and scripts.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files as package_files
from itertools import chain, groupby
from typing import Any

import jinja2

from ib_data.cards.kinds import kind_of
from ib_data.errors import IbDataError
from ib_data.media.frames import has_pyav
from ib_data.media.thumbnail import thumbnail
from ib_data.sample import Media, Sample
from ib_data.templates.sheet.highlights import clean, highlight
from ib_data.templates.sheet.preview import HIDDEN, Entry, ShownAnnotation
from ib_data.templates.values import history_text

THUMBNAIL_PX = 512


def contact_sheet(title: str, entries: Iterable[Entry]) -> str:
    """An HTML page of the entries, in order, under a heading for each dataset and split.

    Each sample has the anchor KEY, or NAME:KEY in a view. A note replaces an image that cannot be decoded or a sample
    that cannot be read. Keeps only the thumbnail of each entry in memory.
    """
    groups = groupby(entries, key=lambda e: (e.card.name, e.manifest.split))
    page, style_hash = page_file("ib_data.templates.sheet", "sheet.html")
    datasets = [_dataset(group) for _, group in groups]
    return page.render(title=clean(title), style_hash=style_hash, hidden=HIDDEN, datasets=datasets)


@cache
def page_file(package: str, file: str, style_of: str = "") -> tuple[jinja2.Template, str]:
    """A page of a package, compiled so that all text is escaped, and the hash by which its policy allows its style.

    `style_of` names the page of the package whose style this one has; its own is then empty.
    """
    source, style = _source_and_style(package, file)
    if style_of:
        _, style = _source_and_style(package, style_of)
        source = source.replace("<style></style>", f"<style>{style}</style>")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(source), base64.b64encode(sha256(style.encode()).digest()).decode()


def _source_and_style(package: str, file: str) -> tuple[str, str]:
    """The text of a page, and of its style."""
    source = package_files(package).joinpath(file).read_text(encoding="utf-8")
    return source, source.split("<style>")[1].split("</style>")[0]


def _dataset(entries: Iterator[Entry]) -> dict[str, Any]:
    first = next(entries)
    card, manifest = first.card, first.manifest
    return {
        "card": card,
        "split": manifest.split,
        "num_samples": manifest.num_samples,
        "num_annotations": manifest.num_annotations,
        "kind": ", ".join(kind_of(manifest, card)),
        "samples": [_sample(entry) for entry in chain([first], entries)],
    }


def _sample(entry: Entry) -> dict[str, Any]:
    anchor = entry.key if entry.card.view_of is None else f"{entry.card.name}:{entry.key}"
    named = {"key": clean(entry.key), "anchor": clean(anchor)}
    if entry.sample is None:
        absence = clean(f"cannot be read: {entry.problem}")
        return {**named, "image": None, "absence": absence, "size": "", "examples": [], "num_more": 0, "record": ""}
    return {**named, **_of_sample(entry, entry.sample)}


def _of_sample(entry: Entry, sample: Sample) -> dict[str, Any]:
    media = sample.media
    image, absence = _image(media, entry.media)
    size = f"{media.width} x {media.height}" if media.width and media.height else "size unknown"
    return {
        "image": image,
        "absence": absence,
        "alt": f"{media.kind} {clean(media.source_name)}",
        "size": f"{media.kind}, {size}",
        "examples": [_example(example) for example in entry.examples],
        "num_more": entry.num_more,
        "record": clean(json.dumps(json.loads(sample.to_json()), indent=1, ensure_ascii=False)),
    }


def _example(example: ShownAnnotation) -> dict[str, Any]:
    rendered = example.rendered
    return {
        "id": clean(example.annotation.id),
        "instruction": highlight(example.marked, history_text(example.annotation.history)),
        "rendered": rendered,
        "kind": example.template.kind.replace("_", "-") if example.template else None,
        "earlier": [(clean(turn.question), clean(turn.answer)) for turn in (rendered.earlier if rendered else ())],
        "target": clean(rendered.target) if rendered and rendered.target else None,
        "problem": clean(example.problem or ""),
    }


def _image(media: Media, data: bytes | None) -> tuple[str | None, str]:
    """A data URI, or None and the reason why there is no image."""
    if data is None:
        return None, "built without media"
    if media.kind != "image" and not has_pyav():
        return None, f"{media.kind} of {len(data):,} bytes"
    try:
        small = thumbnail(data, media.kind, THUMBNAIL_PX)
    except IbDataError as error:
        return None, clean(f"cannot be decoded: {error}")
    return "data:image/jpeg;base64," + base64.b64encode(small).decode(), ""
