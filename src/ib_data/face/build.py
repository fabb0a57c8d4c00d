"""`ib_data.build`: official files to shards."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ib_data.builders.write.build import build_dataset
from ib_data.builders.write.build_options import Options
from ib_data.builders.write.needs import tell_needs
from ib_data.builders.write.opened import opened_build, raise_failures, with_each
from ib_data.cards import Card
from ib_data.cards.named import stored_cards
from ib_data.console import note
from ib_data.errors import IbDataError
from ib_data.given import fault, folder, require_text
from ib_data.home import Home, HomeLike
from ib_data.stored.manifest import Manifest

_Path = str | os.PathLike[str]


def build(
    names: str | Iterable[str],
    home: HomeLike | None = None,
    *,
    split: str | None = None,
    source: _Path | Iterable[_Path] = (),
    mirror: str | None = None,
    from_hub: bool = False,
    mini: bool = False,
    mini_size: int = 40,
    media: bool = True,
    allow_missing: bool = False,
    max_side: int | None = None,
    limit: int | None = None,
    workers: int | None = None,
    replace: bool = False,
    drop_repeated: int | None = None,
    report: Callable[[Manifest, bool], None] = lambda _manifest, _is_new: None,
) -> list[Manifest]:
    """Build datasets (or held-in, held-out, all) from their official files and return the manifests of their splits.

    Without `split`: the default splits of each card. An unchanged split is not built again. `home`: by default
    `IB_DATA_HOME` or `~/ib_data`. `source`: folders with official files you already have; `mirror`: a URL that has a
    copy of every official file; `from_hub`: use the Hugging Face mirror; `mini`: use the bundled miniature, whose
    largest archive has `mini_size` images. `media=False`: annotations only; `max_side`: downscale larger images, in
    pixels; `limit`: the first images of each split; `workers`: processes (default: all cores). `allow_missing` and
    `drop_repeated` drop samples and count them. `replace`: replace a build that holds more. `report(manifest, is_new)`
    is called for each finished split. If a dataset fails, the others are built; then IbDataError names it. It also
    names an argument that is not allowed.
    """
    options = Options(
        media=media,
        miniature=mini,
        mini_size=mini_size,
        allow_missing=allow_missing,
        max_side=max_side,
        limit=limit,
        workers=os.cpu_count() or 1 if workers is None else workers,
        replace=replace,
        drop_repeated=drop_repeated,
    )
    cards, sources, place = _cards(names), _folders(source), Home.find(home)
    require_text("split", split)
    require_text("mirror", mirror, "a URL or None")
    if mini and (sources or mirror or from_hub):
        raise IbDataError("mini=True brings its own files: leave out source, mirror and from_hub")
    datasets = [card.name for card in cards]
    with opened_build(
        place, options, sources=sources, mirror=mirror, from_hub=from_hub, datasets=datasets, report=report
    ) as opened:
        tell_needs(cards, opened, split)
        manifests, failed = with_each(cards, lambda card: build_dataset(card, opened, split))
    _update_catalog(place, is_asked=not failed)
    raise_failures(cards, failed)
    return manifests


def _cards(names: str | Iterable[str]) -> list[Card]:
    found = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else []
    if not found or not all(isinstance(name, str) for name in found):
        raise fault("names", "a dataset, or several", names)
    return stored_cards(found)


def _folders(source: _Path | Iterable[_Path]) -> list[Path]:
    if isinstance(source, Iterable) and not isinstance(source, str | os.PathLike):
        return [folder("source", one) for one in source]
    return [folder("source", source)]


def _update_catalog(home: Home, is_asked: bool) -> None:
    from ib_data.mixtures.catalog.file import rebuild  # not at the top: DuckDB is loaded when the build is done

    try:
        rebuild(home)
    except IbDataError as error:  # another dataset's fault; the requested ones are built
        if is_asked:
            note(f"the catalog was not updated: {error}")
