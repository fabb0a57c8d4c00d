"""An official file on this machine: its path and its bytes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ib_data.builders.source.folders import walk
from ib_data.cards import SourceFile
from ib_data.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """An official file: `member` of the archive at `path`, or the file itself if `member` is None.

    If `member` is a pattern for many files, `path` may also be their unpacked folder.
    """

    file: SourceFile
    path: Path
    member: str | None
    sha256: str
    why: str = "fetched"

    def read(self, dataset: str) -> bytes:
        """The bytes of the file or member; DataError if they cannot be read."""
        if self.member is not None:
            # Imported here, since `tarfile` and `zipfile` would cost `ib-data list` 12 of its 73 ms.
            from ib_data.builders.source.archives.archive import open_archive

            return open_archive(self.path, dataset).read(self.member)
        if self.path.suffix == ".gz":
            return unzipped(self.path, dataset)
        return self.path.read_bytes()

    def provenance(self) -> dict[str, Any]:
        """This source's entry in the manifest, without a path of this machine, so that it is the same everywhere."""
        paths = unpacked(self.path, self.file).values() if self.path.is_dir() else (self.path,)
        num_bytes = sum(path.stat().st_size for path in paths)
        return {"name": self.path.name, "url": self.file.url, "sha256": self.sha256, "num_bytes": num_bytes}


def unpacked(folder: Path, file: SourceFile) -> dict[str, Path]:
    """The loose files that the pattern of `file` matches in `folder`, by their paths inside it, sorted."""
    assert file.tree is not None
    _, name = file.tree
    found = (path for path in walk(str(folder)) if path.name == name and path.is_file())
    return dict(sorted((path.relative_to(folder).as_posix(), path) for path in found))


def unzipped(path: Path, dataset: str) -> bytes:
    """The bytes of a gzipped file; DataError if it is damaged or expands too much."""
    import gzip
    import zlib

    from ib_data.builders.source.archives.unpacking import EXPANSION_FREE_BYTES, MAX_EXPANSION

    limit = max(MAX_EXPANSION * path.stat().st_size, EXPANSION_FREE_BYTES)
    try:
        with gzip.open(path) as stream:
            data = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        remedy = "the file is cut short or is not gzipped: fetch it again"
        raise DataError(dataset, f"cannot be read as gzip ({error})", file=str(path), remedy=remedy) from error
    if len(data) > limit:
        problem = f"expands {path.stat().st_size:,} bytes to more than {limit:,}: rejected as a size bomb"
        raise DataError(dataset, problem, file=str(path))
    return data
