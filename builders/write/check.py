"""Checks that what is built is what its manifest says."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq

from ib_data.builders.source.media_finder import open_media
from ib_data.builders.source.web.fetcher import sha256_of
from ib_data.cards import Card
from ib_data.console import progress
from ib_data.errors import IbDataError, MissingExtraError
from ib_data.media.frames import PYAV_REMEDY, has_pyav
from ib_data.stored.index import SCHEMA, another_owner
from ib_data.stored.manifest import DROPS, INDEX, Manifest
from ib_data.stored.sample_reader import extent_of, read_sample


def problems(card: Card, manifest: Manifest, folder: Path, decode: bool = False) -> Iterator[str]:
    """Every way in which the files of a built split differ from its manifest, its index and its card, a line each.

    With `decode` every sample is read by its byte range, compared with the index, and its image or clip opened. Without
    PyAV clips are compared only; the end of the lines is then a MissingExtraError, which counts them.
    """
    place = f"{manifest.dataset}/{manifest.split}"
    for name, expected in progress([*_checksums(manifest)], f"{place}: hashing", "file"):
        path = folder / name
        if not path.is_file():
            yield f"{name}: missing"
        elif (found := sha256_of(path)) != expected:
            yield f"{name}: sha256 expected {expected}, found {found}"
            with suppress(OSError):  # newer than the manifest, it is hashed by a build, which hashes no other shard
                path.touch()
    for name in (INDEX, DROPS):
        if owner := _other_owner(folder / name, manifest):
            yield f"{name}: its rows are of {owner}"
    try:
        index = pq.read_table(folder / INDEX)
    except (OSError, ValueError) as error:
        yield f"{INDEX}: cannot be read ({error})"
        return
    if index.schema != SCHEMA:
        yield f"{INDEX}: its columns are not those of this version; build again"
        return
    if index.num_rows != manifest.num_annotations:
        yield f"{INDEX}: {index.num_rows:,} rows, the manifest says {manifest.num_annotations:,}"
    official = card.splits[manifest.split].num_annotations
    # Drops are not counted: ScienceQA's card counts the problems with an image, IconQA's those of one kind.
    if official is not None and manifest.num_annotations > official:
        yield f"holds {manifest.num_annotations:,} annotations, the card says {official:,}"
    if decode:
        rows = [row for row in index.to_pylist() if row["ordinal"] == 0]
        yield from _sample_problems(progress(rows, f"{place}: decoding", "sample"), folder)


def _other_owner(path: Path, manifest: Manifest) -> str | None:
    try:
        return another_owner(pq.read_metadata(path), manifest.dataset, manifest.split)
    except (OSError, ValueError):
        return None


def _checksums(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield INDEX, manifest.index_sha256
    yield DROPS, manifest.drops_sha256
    for shard in manifest.shards:
        yield shard.name, shard.sha256


def _sample_problems(rows: Iterable[dict[str, object]], folder: Path) -> Iterator[str]:
    can_open_clips = has_pyav()
    num_unopened = 0
    for row in rows:
        try:
            sample, data = read_sample(folder / str(row["shard"]), extent_of(row))
            if sample.key != row["key"]:
                yield f"{row['shard']}: holds {sample.key} where the index says {row['key']}"
            if data is None:
                continue
            if sample.media.kind == "video" and not can_open_clips:
                num_unopened += 1
                sha256 = hashlib.sha256(data).hexdigest()
            else:
                sha256 = open_media(sample.media.kind, data).sha256
            if sha256 != row["media_sha256"]:
                yield f"{row['shard']}: {row['key']}: the media are not those of the index"
        except IbDataError as error:
            yield f"{row['key']}: {error}"
    if num_unopened:
        raise MissingExtraError(f"not opened, only compared: {num_unopened:,} clips; {PYAV_REMEDY}")
