"""Verifying a built split against its manifest."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress

from ib_data.builders.source.media_finder import open_media
from ib_data.cards import Card
from ib_data.console import progress
from ib_data.errors import DataError, IbDataError, MissingExtraError
from ib_data.file_state import sha256_of
from ib_data.media.frames import PYAV_REMEDY, has_pyav
from ib_data.sample import Sample
from ib_data.stored.built_split import BuiltSplit
from ib_data.stored.index_file import parquet_problem
from ib_data.stored.manifest import DROPS, INDEX, Manifest


def problems(card: Card, built: BuiltSplit, decode: bool = False) -> Iterator[str]:
    """Yield a line for each difference between the files of a built split and its manifest, index and card.

    `built` must be opened with `verify=False`, so that one bad sample does not hide the others. With `decode`, every
    sample is read by its byte range, compared with the index, and its image or clip decoded. Without PyAV, clips are
    only compared, and after the last line a MissingExtraError says how many. The index is read in batches.
    """
    manifest = built.manifest
    place = f"{manifest.dataset}/{manifest.split}"
    for name, expected in progress([*_checksums(manifest)], f"{place}: hashing", "file"):
        path = built.folder / name
        if not path.is_file():
            yield f"{name}: missing"
        elif (found := sha256_of(path)) != expected:
            yield f"{name}: sha256 expected {expected}, found {found}"
            with suppress(OSError):  # builds only hash shards that are newer than the manifest
                path.touch()
    wrong = {name: parquet_problem(path, manifest) for name in (INDEX, DROPS) if (path := built.folder / name).exists()}
    yield from (f"{name}: {problem}" for name, problem in wrong.items() if problem)
    official = card.splits[manifest.split].num_annotations
    # Without drops: ScienceQA's card counts only problems with an image, IconQA's only one subtask.
    if official is not None and manifest.num_annotations > official:
        yield f"holds {manifest.num_annotations:,} annotations, the card says {official:,}"
    if decode and INDEX in wrong and wrong[INDEX] is None:
        yield from _sample_problems(built)


def _checksums(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield INDEX, manifest.index_sha256
    yield DROPS, manifest.drops_sha256
    for shard in manifest.shards:
        yield shard.name, shard.sha256


def _sample_problems(built: BuiltSplit) -> Iterator[str]:
    can_open_clips = has_pyav()
    num_unopened = 0
    try:
        place = f"{built.manifest.dataset}/{built.manifest.split}"
        for ref in progress(built.refs(), f"{place}: decoding", "sample", built.manifest.num_samples):
            try:
                sample, data = built.read(ref)
                is_unopened = sample.media.kind == "video" and not can_open_clips and data is not None
                num_unopened += is_unopened
                if data is not None and _sha256(sample, data, is_unopened) != ref.media_sha256:
                    yield f"{ref.shard}: {ref.key}: the media differ from the checksum in the index"
            except IbDataError as error:
                yield f"{ref.key}: {error}"
    except DataError as error:  # damaged pages of an index with a sound footer
        yield str(error)
    if num_unopened:
        raise MissingExtraError(f"{num_unopened:,} clips were only compared, not decoded; {PYAV_REMEDY}")


def _sha256(sample: Sample, data: bytes, is_unopened: bool) -> str:
    """The checksum of an image or clip, after opening it; MediaError if it does not open."""
    return hashlib.sha256(data).hexdigest() if is_unopened else open_media(sample.media.kind, data).sha256
