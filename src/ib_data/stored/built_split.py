"""A built split, in a home or in an object store; all code reads splits through it."""

import operator
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa

from ib_data.console import count_text
from ib_data.errors import DataError, IbDataError, did_you_mean
from ib_data.home import SPLITS, Home
from ib_data.sample import Annotation, Sample, SampleError, StoredSample
from ib_data.stored.conversations import num_conversations
from ib_data.stored.index import SCHEMA, Extent, annotation_of
from ib_data.stored.index_file import opened, parquet_error
from ib_data.stored.manifest import INDEX, Manifest, Shard, read_manifest
from ib_data.stored.not_built import why_not_built
from ib_data.stored.rows import Rows
from ib_data.stored.sample_reader import DAMAGED, OtherContentError, json_extent, parse_stored, shard_unreadable
from ib_data.stored.sample_ref import REF_COLUMNS, SampleRef, ref_in, require_indexed
from ib_data.stored.shard_reader import ShardReader
from ib_data.stored.store import LocalStore, Place, Store

ANNOTATION_FIELDS = tuple(Annotation.__dataclass_fields__)
# Rows per batch: a few MB of memory with the longest texts.
_BATCH_ROWS = 8192
_OTHER_INDEX = "the index is of another build"


class NotBuiltError(IbDataError):
    """A dataset or split that is not built here; the message says what to run."""


@dataclass(frozen=True, repr=False)
class BuiltSplit:
    """One built split: annotations by row and samples by key, both in the order of the index, which is key order.

    Passes (`refs`, `samples`, `annotations`, `batches`) stream over `index.parquet`: they hold one batch in memory and
    write nothing. Random access (`annotation`, `sample`, `media` and the like) uses the memory-mapped `rows`, which
    the first access creates in the home's cache. Shards are read by byte range.

    Every method that reads raises DataError, in one line with a remedy, for an index that is missing, damaged or from
    another build, dataset or version, for a shard that is missing, altered or of the wrong size, and for a sample that
    does not match the index. A pickled split reopens its files; use one split per thread.
    """

    store: Store = field(compare=False)
    folder: Path  # holds manifest and index; for an object store, the local copy
    manifest: Manifest = field(hash=False)

    def __reduce__(self) -> tuple[type["BuiltSplit"], tuple[Store, Path, Manifest]]:
        return BuiltSplit, (self.store, self.folder, self.manifest)

    def __repr__(self) -> str:
        place = self.store.address(self.folder, "").rstrip("/")
        held = f"{count_text(len(self), 'annotation')} of {count_text(self.num_samples, 'sample')}"
        held = f"{held} in {count_text(len(self.manifest.shards), 'shard')}"
        return f"<BuiltSplit {self.dataset}/{self.split}: {held}, {place}>"

    def __len__(self) -> int:
        """The number of annotations, which is the number of rows of the index."""
        return self.manifest.num_annotations

    def __getitem__(self, row: int) -> Annotation:
        """As `annotation`; negative rows count from the end, as in a list."""
        return self.annotation(row + len(self) if operator.index(row) < 0 else row)

    def __iter__(self) -> Iterator[Annotation]:
        return self.annotations()

    @property
    def dataset(self) -> str:
        """The stored dataset; for a view, its base."""
        return self.manifest.dataset

    @property
    def split(self) -> str:
        """train, validation or test."""
        return self.manifest.split

    @property
    def num_samples(self) -> int:
        """The number of samples."""
        return self.manifest.num_samples

    @cached_property
    def num_conversations(self) -> int:
        """The number of conversations; an annotation without a history counts as one."""
        return num_conversations(self.folder, self.manifest)

    @property
    def fingerprint(self) -> str:
        """A SHA-256 in hex over the dataset, the split and the checksums of the index and all shards.

        Taken from the manifest; no file is hashed. Two builds have the same one if all annotations, images and clips
        are equal; drops, recipe and location do not count. `ib-data check` verifies that the files match the manifest.
        """
        of = (f"{self.dataset}/{self.split}", self.manifest.index_sha256, self.manifest.shards_sha256())
        return sha256("\n".join(of).encode()).hexdigest()

    @cached_property
    def rows(self) -> Rows:
        """The index as a memory-mapped file, for random access."""
        return Rows(self.folder, self.manifest, self.store.cache)

    def batches(self, columns: Sequence[str] | None = None, num_rows: int = _BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """All rows of the index in batches of up to `num_rows`, with these columns of `index.SCHEMA` (or all)."""
        wanted = list(columns if columns is not None else SCHEMA.names)
        for name in wanted:
            if name not in SCHEMA.names:
                raise ValueError(f"the index has no column {name!r}; {did_you_mean(name, SCHEMA.names)}")
        with opened(self.folder / INDEX, self.manifest, **self._named) as index:
            yield from index.iter_batches(batch_size=num_rows, columns=wanted)

    def annotation(self, row: int) -> Annotation:
        """The annotation in a row (from 0), read from its shard. Raises IndexError for a row out of range."""
        ref = self.ref_at(row)
        stored, _ = self._stored(ref, media=False)
        try:
            return self.annotation_in(stored, row)
        except OtherContentError as error:
            raise self._damage(ref, str(error), _OTHER_INDEX) from error
        except SampleError as error:
            raise self._damage(ref, str(error)) from error

    def annotation_in(self, sample: StoredSample, row: int) -> Annotation:
        """The annotation of a row, from its sample, which is already read.

        Raises OtherContentError if the sample, its image or the annotation does not match the index, and SampleError
        if the annotation is malformed.
        """
        key, annotation_id = self.rows.ids(row)
        ordinal = self.rows.ordinal(row)
        require_indexed(sample, key, self.rows.media_sha256(row))
        found = sample.annotation(ordinal) if ordinal < sample.num_annotations else None
        if found is None or found.id != annotation_id:
            held = "none" if found is None else repr(found.id)
            raise OtherContentError(f"expected annotation {annotation_id!r} of sample {key!r}, found {held}")
        return found

    def annotations(self) -> Iterator[Annotation]:
        """All annotations in the order of the index. Reads only the index, no shard."""
        for batch in self.batches(ANNOTATION_FIELDS):
            yield from map(annotation_of, batch.to_pylist())

    def annotations_at(
        self, rows: Sequence[int], fields: Collection[str] = ANNOTATION_FIELDS
    ) -> Iterator[tuple[int, Annotation]]:
        """The annotations in these ascending rows, each with its row, in one pass over the index; reads no shard.

        Only `fields` are read; the others are absent.
        """
        for first, batch in self._taken(rows, [name for name in ANNOTATION_FIELDS if name in fields]):
            yield from zip(first, map(annotation_of, batch.to_pylist()), strict=True)

    def refs(self, limit: int | None = None) -> Iterator[SampleRef]:
        """Where each sample is, in key order; only the first `limit` if given."""
        left, start, last = self.num_samples if limit is None else limit, 0, ""
        for batch in self.batches(REF_COLUMNS) if left > 0 else ():
            firsts = np.flatnonzero(batch.column("ordinal").to_numpy() == 0)[:left]
            for row, values in zip((firsts + start).tolist(), batch.take(pa.array(firsts)).to_pylist(), strict=True):
                if values["key"] <= last:
                    problem = f"its rows are not in key order: {values['key']!r} is after {last!r}"
                    raise self._index_error(problem)
                last = values["key"]
                yield ref_in(row, values)
            left, start = left - len(firsts), start + batch.num_rows
            if left <= 0:
                return

    def refs_at(self, rows: Sequence[int]) -> Iterator[SampleRef]:
        """Where the samples of these ascending rows are, in one pass over the index that writes nothing.

        Several rows of one sample give it once.
        """
        last = None
        for numbers, batch in self._taken(rows, list(REF_COLUMNS)):
            for row, values in zip(numbers, batch.to_pylist(), strict=True):
                if values["key"] != last:
                    last = values["key"]
                    yield ref_in(row - values["ordinal"], values)

    def ref_at(self, row: int) -> SampleRef:
        """Where the sample of a row is. Raises IndexError for a row out of range."""
        if not 0 <= row < len(self):
            raise IndexError(f"there is no row {row} in {self.dataset}/{self.split}: expected 0 to {len(self) - 1}")
        place, (key, _) = self.rows.place(row), self.rows.ids(row)
        first = row - self.rows.ordinal(row)
        return SampleRef(key, first, place.shard.name, place.extent, self.rows.media_sha256(row))

    def ref_of(self, key: str) -> SampleRef:
        """Where the sample with this key is. Raises KeyError for a key that is not in the split."""
        low, high = 0, self.num_samples
        while low < high:  # the rows are in key order
            middle = (low + high) // 2
            row = int(self.rows.samples[middle])
            found, _ = self.rows.ids(row)
            if found == key:
                return self.ref_at(row)
            low, high = (middle + 1, high) if found < key else (low, middle)
        raise KeyError(f"{self.dataset}/{self.split} has no sample {key!r}")

    def read(self, ref: SampleRef, *, media: bool = True) -> tuple[Sample, bytes | None]:
        """A sample with all of its annotations, and the bytes of its image or clip, in one read.

        The bytes are None in a build without media. With `media=False` they are None and not read.
        """
        stored, data = self._stored(ref, media=media)
        try:
            return stored.whole(), data
        except SampleError as error:
            raise self._damage(ref, str(error)) from error

    def samples(self, limit: int | None = None) -> Iterator[Sample]:
        """All samples in key order, or the first `limit`, without the bytes of images and clips."""
        return (self.read(ref, media=False)[0] for ref in self.refs(limit))

    def sample(self, key: str) -> Sample:
        """The sample with this key. Raises KeyError for a key that is not in the split."""
        return self.read(self.ref_of(key), media=False)[0]

    def sample_at(self, row: int) -> Sample:
        """The sample of a row. Raises IndexError for a row out of range."""
        return self.read(self.ref_at(row), media=False)[0]

    def media(self, key: str) -> bytes | None:
        """The stored bytes of a sample's image or clip, None in a build without media. KeyError as in `sample`."""
        return self.read(self.ref_of(key))[1]

    def close(self) -> None:
        """Close all open shards; a later read opens them again."""
        self._reader.close()

    def _taken(self, rows: Sequence[int], columns: list[str]) -> Iterator[tuple[list[int], pa.RecordBatch]]:
        """The wanted rows of each batch that has any, with their numbers."""
        start, wanted = 0, np.asarray(rows, dtype=np.int64)
        for batch in self.batches(columns) if len(wanted) else ():
            first, last = np.searchsorted(wanted, [start, start + batch.num_rows])
            if last > first:
                yield wanted[first:last].tolist(), batch.take(pa.array(wanted[first:last] - start))
            start += batch.num_rows

    def _stored(self, ref: SampleRef, *, media: bool) -> tuple[StoredSample, bytes | None]:
        extent = ref.extent if media else json_extent(ref.extent)
        try:
            (data,) = self._reader.read([self._place(ref, extent)])
            stored, found = parse_stored(extent, data)
        except (OtherContentError, SampleError) as error:
            raise self._damage(ref, str(error)) from error
        except OSError as error:
            raise shard_unreadable(self.folder / ref.shard, error) from error
        try:
            require_indexed(stored, ref.key, ref.media_sha256)
        except OtherContentError as error:
            raise self._damage(ref, str(error), _OTHER_INDEX) from error
        return stored, found

    def _place(self, ref: SampleRef, extent: Extent) -> Place:
        if ref.shard not in self._shards:
            raise self._index_error(f"names the shard {ref.shard}, which is not in the manifest")
        return Place(self.folder, self._shards[ref.shard], extent)

    def _index_error(self, problem: str) -> DataError:
        return parquet_error(self.folder / INDEX, self.manifest, problem, **self._named)

    @property
    def _named(self) -> dict[str, str]:
        """The location and the remedy that an error about the index names."""
        return {"file": self.store.address(self.folder, INDEX), "remedy": self.store.remedy(self.dataset)}

    def _damage(self, ref: SampleRef, problem: str, why: str = DAMAGED) -> DataError:
        return self._reader.damage(self._place(ref, ref.extent), problem, why)

    @cached_property
    def _reader(self) -> ShardReader:
        return ShardReader(self.store)

    @cached_property
    def _shards(self) -> dict[str, Shard]:
        return {shard.name: shard for shard in self.manifest.shards}


def open_built(place: Home | Store, dataset: str, split: str, *, verify: bool = True) -> BuiltSplit:
    """A split of a dataset in a home or an object store.

    Without `verify`, the shards of a home are read without a check, so that you can look at what is left of a damaged
    one. Raises NotBuiltError if the split is not built there, and DataError for a manifest that cannot be used.
    """
    if split not in SPLITS:
        raise IbDataError(f"unknown split {split!r}; {did_you_mean(split, SPLITS)}")
    store = LocalStore(place, verify=verify) if isinstance(place, Home) else place
    folder = store.folder(dataset, split)
    manifest = read_manifest(folder, dataset)
    if manifest is None:
        raise NotBuiltError(why_not_built(store, folder, dataset, split))
    return BuiltSplit(store, folder, manifest)
