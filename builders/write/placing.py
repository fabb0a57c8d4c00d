"""Finding the images and clips of a plan. Missing ones are an error, or counted drops."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.media_finder import find_media, open_media
from ib_data.builders.source.origins import Origin, joined
from ib_data.builders.source.row import Drop
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.source.web.placeholders import LEAST_URLS, REPEATED, find_repeated, tell_repeated
from ib_data.builders.write.build_options import Options
from ib_data.builders.write.plan import Plan, Planned
from ib_data.builders.write.stated_size import check_size_stated
from ib_data.console import count_text
from ib_data.errors import DataError
from ib_data.media.faults import MediaError
from ib_data.media.frames import need_pyav

MISSING = "media missing"
MOST_OPENED = 5000  # media to open for the error about missing ones: some 10 s of one core
LOOKUP = 32  # look up at least this many: if all of a few links are dead, the crawl would assume a network failure


def with_media(
    plan: Plan,
    folders: SourceFolders,
    fetcher: Fetcher,
    options: Options,
    located: Mapping[str, Path] | None = None,
) -> Plan:
    """The plan with the places of all images and clips, limited to the first `options.limit` samples that have one.

    Samples with missing media become drops with `allow_missing`, else a DataError; dead links are always drops. With a
    limit, samples are looked up that many at a time (or LOOKUP), to fetch little more than needed. Raises
    MissingExtraError before fetching if clips are needed and PyAV is missing.
    """
    if any(planned.sample.media.kind == "video" for planned in plan.samples[:1]):
        need_pyav()
    limit = options.limit
    here: list[Planned] = []
    lost: list[Drop] = []
    looked = 0
    origins: list[Origin] = []
    while looked < len(plan.samples) and (limit is None or len(here) < limit):
        size = len(plan.samples) if limit is None else max(limit - len(here), LOOKUP, looked)  # few rounds over many
        part = plan.samples[looked : looked + size]
        looked += len(part)
        dataset = part[0].sample.dataset
        refs = (planned.ref for planned in part)
        found = find_media(refs, dataset, folders, fetcher, options.allow_missing, located)
        origins += found.origins
        missing: list[Planned] = []
        for planned in part:
            if len(here) == limit:
                break
            if planned.ref in found.places:
                here.append(replace(planned, place=found.places[planned.ref]))
            else:
                reason = found.lost.get(planned.ref, MISSING)
                missing += [planned] if reason == MISSING else []
                lost += _drops(planned, reason)
        if missing and not options.allow_missing:
            raise _missing(missing, len(part), found.near, here, options)
    return Plan(tuple(here), (*plan.drops, *lost), joined(origins))


def without_repeated(plan: Plan, options: Options) -> Plan:
    """The plan without images whose bytes `options.drop_repeated` or more URLs share; they become drops.

    Without that option, a note names them.
    """
    repeated = _repeated(plan.samples, options.drop_repeated)
    gone = [drop for planned in plan.samples if planned.ref.url in repeated for drop in _drops(planned, REPEATED)]
    kept = tuple(planned for planned in plan.samples if planned.ref.url not in repeated)
    return replace(plan, samples=kept, drops=(*plan.drops, *gone)) if gone else plan


def _drops(planned: Planned, reason: str) -> list[Drop]:
    return [Drop(annotation.id, reason, planned.ref) for annotation in planned.sample.annotations]


def _repeated(here: Sequence[Planned], least: int | None) -> set[str]:
    """The URLs whose bytes `least` or more URLs share; without `least`, print a note and return nothing."""
    crawled = {p.ref.url: p.place.path for p in here if p.place and p.place.is_fixed and p.ref.url}
    repeated = find_repeated(crawled, least or LEAST_URLS) if crawled else []
    if least is None and repeated:
        remedy = "Drop them with --drop-repeated N, for N URLs or more"
        tell_repeated(here[0].sample.dataset, repeated, len(crawled), remedy)
        return set()
    return {url for one in repeated for url in one.urls}


def _missing(missing: list[Planned], num_planned: int, near: str, here: list[Planned], options: Options) -> DataError:
    """The error that names missing media and broken ones, so that all can be fixed at once."""
    first = missing[0].sample
    lost = count_text(sum(len(planned.sample.annotations) for planned in missing), "annotation")
    problem = (
        f"{len(missing):,} of {num_planned:,} {first.media.kind}s are missing ({lost}), "
        f"first {first.media.source_name}{f' ({near})' if near else ''}"
    )
    broken = [line for planned in here[:MOST_OPENED] if (line := _fault(planned, options.max_side))]
    if broken:
        opened = f"the first {MOST_OPENED:,} others" if len(here) > MOST_OPENED else "the others"
        problem += f"; of {opened} {len(broken):,} cannot be used, first {broken[0]}"
    remedy = "put them into a --source folder, or drop them, counted, with --allow-missing (or build with --no-media)"
    return DataError(first.dataset, problem, file=first.split, remedy=remedy)


def _fault(planned: Planned, max_side: int | None) -> str | None:
    """What is wrong with a found image or clip; None if it opens."""
    assert planned.place is not None
    try:
        opened = open_media(planned.sample.media.kind, planned.place.read(planned.sample.dataset), max_side)
        check_size_stated(opened, planned.ref.size_px, max_side)
    except MediaError as error:
        return f"{planned.place}: {error}"
    return None
