"""Writing one shard: a plain tar that WebDataset reads, its rows of the index, and its drops.

Uses `tarfile` instead of webdataset's writer, since the index needs the offset of every member, and the USTAR headers
must not depend on the machine (owner 0, mode 0444, time 0). Tests read the shards with `webdataset` and `datasets`.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ib_data.builders.source.media_finder import open_media
from ib_data.builders.source.row import Drop
from ib_data.builders.write.plan import OTHER_SIZE, UNREADABLE, Planned
from ib_data.builders.write.stated_size import OtherSizeError, check_size_stated
from ib_data.file_state import sha256_of
from ib_data.media.faults import MediaError
from ib_data.media.opened_image import Opened
from ib_data.replacing import replacing
from ib_data.sample import Sample
from ib_data.stored.index import SCHEMA, Extent, index_rows, write_table
from ib_data.stored.manifest import Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardJob:
    """The input of a worker that writes the shard `name` into `folder`; `parts` has files that only the build needs.

    `plan_sha256` is the checksum of the plan of this shard.
    """

    name: str
    folder: Path
    parts: Path
    planned: Sequence[Planned]
    plan_sha256: str
    allow_missing: bool
    max_side: int | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An image or clip that does not open: its sample, the path of its file, and the problem."""

    sample: Sample
    place: str
    problem: str


@dataclass(frozen=True, slots=True)
class ShardResult:
    """A finished shard and the annotations that were dropped while writing it.

    If there are `unreadable` media, the shard was not written, and the build fails.
    """

    shard: Shard
    drops: tuple[Drop, ...]
    unreadable: tuple[Unreadable, ...] = ()


class _Hashed(io.RawIOBase):
    """A file that hashes the bytes written to it."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.sha256 = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return self.file.write(data)

    def tell(self) -> int:
        return self.file.tell()

    def close(self) -> None:
        self.file.close()
        super().close()


def write_shard(job: ShardJob) -> ShardResult:
    """Write the tar, then its index rows, then its result, each atomically: the result file marks a complete shard.

    Opens all media, even after one that fails, so that the user sees all problems at once.
    """
    rows: list[dict[str, Any]] = []
    drops: list[Drop] = []
    unreadable: list[Unreadable] = []
    with replacing(job.folder / job.name) as part:
        with _Hashed(part) as out, tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for planned in job.planned:
                media = _open(planned, job, drops, unreadable)
                if not unreadable and (media is not None or planned.place is None):
                    rows += _write_sample(tar, planned.sample, media, job.name)
        shard = Shard(
            name=job.name,
            num_samples=len({row["key"] for row in rows}),
            num_annotations=len(rows),
            num_bytes=part.stat().st_size,
            sha256=out.sha256.hexdigest(),
        )
        if unreadable:
            part.unlink()
    if not unreadable:
        _keep(job, shard, rows, drops)
    return ShardResult(shard, tuple(drops), tuple(unreadable))


def _keep(job: ShardJob, shard: Shard, rows: list[dict[str, Any]], drops: list[Drop]) -> None:
    """Write the index rows of a finished tar, then its result with the checksums of tar, rows and itself."""
    with replacing(rows_file(job.parts, job.name), sync=False) as part:
        write_table(rows, SCHEMA, part)
        rows_sha256 = sha256_of(part)
    values = [job.plan_sha256, asdict(shard), [[drop.source_id, drop.reason] for drop in drops], rows_sha256]
    text = json.dumps(values)
    with replacing(result_file(job.parts, job.name), sync=False) as part:  # `finished` compares the checksums
        part.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}", encoding="utf-8")


def finished(job: ShardJob) -> ShardResult | None:
    """The result of a shard that an earlier run finished with the same plan; None if there is none or it is damaged.

    Hashes the shard (0.4 to 1.5 GB per second and core), since a power loss or disk error may have damaged it.
    """
    try:
        checksum, text = result_file(job.parts, job.name).read_bytes().split(b"\n", 1)
        if hashlib.sha256(text).hexdigest().encode() != checksum:
            return None
        plan_sha256, values, pairs, rows_sha256 = json.loads(text)
        shard, drops = Shard(**values), tuple(Drop(source_id, reason) for source_id, reason in pairs)
    except (OSError, ValueError, TypeError):  # ValueError, TypeError: written by another version
        return None
    is_asked = (shard.name, plan_sha256) == (job.name, job.plan_sha256) and (job.allow_missing or not drops)
    tar, rows = job.folder / job.name, rows_file(job.parts, job.name)
    return ShardResult(shard, drops) if is_asked and _is(tar, shard.sha256) and _is(rows, rows_sha256) else None


def _is(path: Path, sha256: str) -> bool:
    try:
        return sha256_of(path) == sha256
    except OSError:
        return False


def rows_file(parts: Path, name: str) -> Path:
    """The file with the index rows of one shard, until they are joined into `index.parquet`."""
    return parts / f"{name}.rows.parquet"


def result_file(parts: Path, name: str) -> Path:
    """The file with the result of one shard. It is written last, so it marks a complete shard."""
    return parts / f"{name}.result.json"


def _open(planned: Planned, job: ShardJob, drops: list[Drop], unreadable: list[Unreadable]) -> Opened | None:
    """The image or clip of a sample; None without one, or if it cannot be used: then it is added to a list."""
    if planned.place is None:
        return None
    sample = planned.sample
    try:
        opened = open_media(sample.media.kind, planned.place.read(sample.dataset), job.max_side)
        check_size_stated(opened, planned.ref.size_px, job.max_side)
        return opened
    except MediaError as error:
        if job.allow_missing:
            reason = OTHER_SIZE if isinstance(error, OtherSizeError) else UNREADABLE
            drops += [Drop(annotation.id, reason) for annotation in sample.annotations]
        else:
            unreadable.append(Unreadable(sample, str(planned.place), str(error)))
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
    """Append a member, and return the offset of its bytes."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o444
    tar.addfile(info, io.BytesIO(data))
    return tar.offset - -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
