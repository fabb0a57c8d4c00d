"""Writing one shard: a plain tar that WebDataset reads, its rows of the index, and its drops.

`tarfile` rather than webdataset's writer: it tells the offset of every member, which the index needs, and its USTAR
headers carry nothing of this machine (owner 0, mode 0444, time 0). Tests read the shards back with `webdataset` and
with `datasets`.
"""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ib_data.builders.index import SCHEMA, Extent, index_rows, write_table
from ib_data.builders.manifest import Shard
from ib_data.builders.media import open_media
from ib_data.builders.pictures import MediaError, Opened
from ib_data.builders.plan import UNREADABLE, Planned
from ib_data.builders.rows import Drop
from ib_data.errors import DataError
from ib_data.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardJob:
    """All that a worker needs to write the shard `name` into `folder`; `parts` keeps what only the build needs."""

    name: str
    folder: Path
    parts: Path
    planned: Sequence[Planned]
    allow_missing: bool
    max_side: int | None


@dataclass(frozen=True, slots=True)
class ShardResult:
    """A finished shard and the annotations that were dropped while it was written."""

    shard: Shard
    drops: tuple[Drop, ...]


class _Hashed(io.RawIOBase):
    """A file that hashes what is written to it, in order."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.sha256 = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return self.file.write(data)

    def tell(self) -> int:
        return self.file.tell()

    def close(self) -> None:
        if not self.file.closed:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
        super().close()


def write_shard(job: ShardJob) -> ShardResult:
    """Write the tar, then its index rows, then its result, each by one rename: the result's file says it is whole."""
    temporary = job.folder / f"{job.name}.{os.getpid()}.part"
    rows: list[dict[str, Any]] = []
    drops: list[Drop] = []
    try:
        with _Hashed(temporary) as out, tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for planned in job.planned:
                media = _open(planned, job, drops)
                if media is not None or planned.place is None:
                    rows += _write_sample(tar, planned.sample, media, job.name)
        num_bytes, digest = temporary.stat().st_size, out.sha256.hexdigest()
        temporary.replace(job.folder / job.name)
        write_table(rows, SCHEMA, temporary)
        temporary.replace(rows_file(job.parts, job.name))
        shard = Shard(
            name=job.name,
            num_samples=len({row["key"] for row in rows}),
            num_annotations=len(rows),
            num_bytes=num_bytes,
            sha256=digest,
        )
        temporary.write_text(json.dumps([asdict(shard), [asdict(drop) for drop in drops]]), encoding="utf-8")
        temporary.replace(result_file(job.parts, job.name))
    finally:
        temporary.unlink(missing_ok=True)
    return ShardResult(shard, tuple(drops))


def finished(parts: Path, name: str) -> ShardResult | None:
    """The result of a shard that an earlier run finished, None where it did not."""
    try:
        shard, drops = json.loads(result_file(parts, name).read_bytes())
    except (FileNotFoundError, ValueError):  # a machine that lost power may leave an empty file
        return None
    return ShardResult(Shard(**shard), tuple(Drop(**drop) for drop in drops))


def rows_file(parts: Path, name: str) -> Path:
    """The index rows of one shard, until they are joined into `index.parquet`."""
    return parts / f"{name}.rows.parquet"


def result_file(parts: Path, name: str) -> Path:
    """The result of one shard; it is written last, so its presence says that the shard is whole."""
    return parts / f"{name}.result.json"


def _open(planned: Planned, job: ShardJob, drops: list[Drop]) -> Opened | None:
    if planned.place is None:
        return None
    sample = planned.sample
    try:
        return open_media(sample.media.kind, planned.place.read(sample.dataset), job.max_side)
    except MediaError as error:
        if not job.allow_missing:
            place = str(planned.place.path) + (f":{planned.place.member}" if planned.place.member else "")
            remedy = "fetch it again, or drop its annotations, counted, with --allow-missing"
            raise DataError(sample.dataset, str(error), file=place, row=sample.key, remedy=remedy) from error
        drops += [Drop(annotation.id, UNREADABLE) for annotation in sample.annotations]
        return None


def _write_sample(tar: tarfile.TarFile, sample: Sample, opened: Opened | None, shard: str) -> list[dict[str, Any]]:
    start = tar.offset
    media: dict[str, Any] = {}
    if opened is not None:
        sized = replace(sample.media, width=opened.width, height=opened.height, sha256=opened.sha256)
        sample = replace(sample, media=sized)
        media["media_offset"] = _add(tar, f"{sample.key}.{opened.extension}", opened.data)
        media |= {"media_bytes": len(opened.data), "media_extension": opened.extension}
    text = sample.to_json().encode("utf-8")
    json_offset = _add(tar, f"{sample.key}.json", text)
    extent = Extent(
        offset=start, num_bytes=tar.offset - start, json_offset=json_offset, json_bytes=len(text), **media
    )  # fmt: skip
    return index_rows(sample, shard, extent)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> int:
    """Append a member; returns the offset of its bytes."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o444
    tar.addfile(info, io.BytesIO(data))
    return tar.offset - -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
