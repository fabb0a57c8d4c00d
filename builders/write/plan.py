"""The plan of a split: all samples in key order, and all dropped source rows.

The plan alone decides the shards, so that their bytes do not depend on the number of workers or on killed runs.
"""

import hashlib
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ib_data.builders.source.files import Files
from ib_data.builders.source.local_media import MediaPlace
from ib_data.builders.source.origins import Origin
from ib_data.builders.source.row import Drop, MediaRef, Row
from ib_data.builders.source.row_counts import tell_count
from ib_data.cards import Split, media_stores
from ib_data.console import progress
from ib_data.errors import DataError, quoted
from ib_data.sample import Annotation, Answer, Media, Sample, Turn

MAX_ID_LENGTH = 48  # keeps member names, with dataset, split and extension, below the 100 characters of a tar header
UNREADABLE = "media unreadable"
OTHER_SIZE = "media not of the stated size"
# Options may be empty, as one of A-OKVQA's is, so that indices stay valid.
_FIELDS = tuple(n for n in Annotation.__dataclass_fields__ if n not in ("id", "options", "answer_index", "extra"))


class EmptySplitError(DataError):
    """The source has no row of the requested split."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One sample to write, and its image or clip. `place` is None in a build without media."""

    sample: Sample
    ref: MediaRef
    place: MediaPlace | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The samples of a split in key order, the drops, and the origins of images and clips."""

    samples: tuple[Planned, ...]
    drops: tuple[Drop, ...]
    origins: tuple[Origin, ...] = ()

    @property
    def num_annotations(self) -> int:
        """The number of annotations of the build, if all images and clips open."""
        return sum(len(planned.sample.annotations) for planned in self.samples)

    def checksums(self, samples_per_shard: int) -> tuple[str, list[str]]:
        """A checksum over the whole plan, and one per shard.

        They cover the annotations and the versions of images and clips; the first one also covers the drops. Both are
        computed in one pass, since loose images and clips must be read.
        """
        digest, shards = hashlib.sha256(), []
        for start in progress(range(0, len(self.samples), samples_per_shard), "hashing the plan", "shard"):
            shard = hashlib.sha256()
            for planned in self.samples[start : start + samples_per_shard]:
                version = planned.place.version(planned.sample.dataset) if planned.place else ""
                line = f"{planned.sample.to_json()}\t{version}\n".encode()
                digest.update(line)
                shard.update(line)
            shards.append(shard.hexdigest())
        for drop in self.drops:
            digest.update(f"{drop.source_id}\t{drop.reason}\n".encode())
        return digest.hexdigest(), shards


def group(
    files: Files, rows: Iterable[Row | Drop], split: Split
) -> tuple[dict[MediaRef, list[Annotation]], list[Drop]]:
    """The annotations of every image in source order, and the drops.

    An annotation that lacks a field declared by the card is dropped with that reason. Raises DataError for a duplicate
    id, and EmptySplitError if the source has no row of this split.
    """
    images: dict[MediaRef, list[Annotation]] = {}
    drops: list[Drop] = []
    seen: dict[str, int] = {}
    near: MediaRef | None = None
    for number, row in enumerate(progress(rows, f"{files.dataset}/{files.split}: reading rows", "row")):
        row_id = row.source_id if isinstance(row, Drop) else row.annotation.id
        if not row_id:
            raise DataError(files.dataset, f"entry {number} (counted from 0) has an empty id", file=files.names())
        if seen.setdefault(row_id, number) != number:
            problem = f"annotation id {row_id!r} occurs twice (entries {seen[row_id]} and {number}, counted from 0)"
            raise DataError(files.dataset, problem, file=files.names(), remedy="fetch the official file again")
        if isinstance(row, Drop):
            drops.append(replace(row, near=row.near or near))
            continue
        near = row.media
        if reason := _missing_field(row.annotation, split) or _invalid_field(row.annotation):
            drops.append(Drop(row_id, reason, near))
        elif fault := row.media.fault():
            raise DataError(files.dataset, fault, file=files.names(), row=f"annotation {quoted(row_id)}")
        else:
            images.setdefault(near, []).append(row.annotation)
    if not seen:
        remedy = f"is this the file of another split? {split.name} is called {split.source_name!r} there"
        raise EmptySplitError(files.dataset, f"no row of split {split.name}", file=files.names(), remedy=remedy)
    tell_count(files, split, num_rows=len(seen), num_kept=len(seen) - len(drops))
    return images, drops


def _missing_field(annotation: Annotation, split: Split) -> str | None:
    """The drop reason for the first field that the card declares and the annotation lacks, or None."""
    lack = next((name for name in split.fields if getattr(annotation, name) in (None, "", ())), None)
    return f"no {lack.replace('_', ' ')}" if lack else None


def _invalid_field(annotation: Annotation) -> str | None:
    """The drop reason for the first field that a shard cannot hold (an empty text, an index out of range), or None."""
    for name in _FIELDS:
        value = getattr(annotation, name)
        if value == "" or (isinstance(value, tuple) and not all(map(_is_whole, value))):
            return f"empty text in {name.replace('_', ' ')}"
    index, options = annotation.answer_index, annotation.options
    return "answer index out of range" if index is not None and not 0 <= index < len(options) else None


def _is_whole(item: str | Answer | Turn) -> bool:
    if isinstance(item, Turn):
        return bool(item.question and item.answer)
    return bool(item.text if isinstance(item, Answer) else item)


def make_plan(files: Files, images: dict[MediaRef, list[Annotation]], drops: list[Drop]) -> Plan:
    """The plan of all samples in key order, without places of images and clips."""
    samples = [_sample(files, ref, annotations) for ref, annotations in images.items()]
    samples.sort(key=lambda planned: planned.sample.key)
    for one, two in itertools.pairwise(samples):
        if one.sample.key == two.sample.key:
            names = f"{one.sample.media.source_name!r} and {two.sample.media.source_name!r}"
            raise DataError(files.dataset, f"two images have the same key, {one.sample.key}: {names}")
    return Plan(tuple(samples), tuple(drops))


def _sample(files: Files, ref: MediaRef, annotations: list[Annotation]) -> Planned:
    store = media_stores()[ref.store]
    number = f"{ref.image_id:012d}" if isinstance(ref.image_id, int) else _slug(ref.image_id)
    media = Media(kind=store.kind, source_name=ref.url or store.member(ref.image_id))
    key = f"{files.dataset}-{files.split}-{number}"
    sample = Sample(key=key, dataset=files.dataset, split=files.split, media=media, annotations=tuple(annotations))
    return Planned(sample, ref)


def _slug(image_id: str) -> str:
    """The id as part of a WebDataset key: without dots, which begin the extension, and short enough for a tar."""
    if len(image_id) > MAX_ID_LENGTH:
        return hashlib.sha256(image_id.encode()).hexdigest()[:MAX_ID_LENGTH]
    return re.sub(r"[^A-Za-z0-9_-]", "_", image_id)


def within_limit(files: Files, plan: Plan, limit: int | None) -> Plan:
    """The plan without drops beyond `limit`: rows of images after the last sample, in key order."""
    if limit is None or len(plan.samples) < limit:
        return plan
    last = plan.samples[-1].sample.key
    drops = (drop for drop in plan.drops if drop.near is None or _sample(files, drop.near, []).sample.key <= last)
    return replace(plan, drops=tuple(drops))
