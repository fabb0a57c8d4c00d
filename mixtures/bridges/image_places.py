"""Addresses of images in shards that fsspec, and so `datasets`, can open: `ibshard://OFFSET+BYTES@SHARD`.

SHARD is quoted as in a URL, since fsspec would interpret `//` and `::` in it.

The package registers the protocol with fsspec, so any process with the package installed can open such an address.
"""

import io
import re
from typing import Any
from urllib.parse import quote, unquote

import fsspec

from ib_data.addresses import without_secrets
from ib_data.errors import IbDataError

PROTOCOL = "ibshard"
_PLACE = re.compile(r"(?:ibshard://)?(\d+)\+(\d+)@(.+)", re.DOTALL)


def place_of(shard: str, offset: int, num_bytes: int) -> str:
    """The address of `num_bytes` bytes at `offset` in a shard, which is a path or a URL."""
    return f"{PROTOCOL}://{offset}+{num_bytes}@{quote(shard, safe='')}"


class ShardFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """Reads byte ranges of shards. Raises IbDataError if a shard cannot be read or ends before the range."""

    protocol = PROTOCOL

    def info(self, path: str, **_named: Any) -> dict[str, Any]:
        """The size of the range; nothing is read."""
        return {"name": path, "size": _parsed(path)[1], "type": "file"}

    def _open(self, path: str, *_given: Any, **_named: Any) -> io.BytesIO:
        offset, num_bytes, shard = _parsed(path)
        return io.BytesIO(_read(shard, offset, num_bytes))


def _parsed(path: str) -> tuple[int, int, str]:
    place = _PLACE.fullmatch(path)
    if place is None:
        raise FileNotFoundError(f"expected OFFSET+BYTES@SHARD, found {path}")
    return int(place[1]), int(place[2]), unquote(place[3])


def _read(shard: str, offset: int, num_bytes: int) -> bytes:
    try:
        file_system, path = fsspec.url_to_fs(shard)
        data = bytes(file_system.cat_file(path, start=offset, end=offset + num_bytes))
    except OSError as error:
        problem = without_secrets(f"{shard}: cannot be read ({error})")
        raise IbDataError(f"{problem}; is it still there? Build it again, and call to_datasets again") from error
    if len(data) != num_bytes:
        problem = f"expected an image of {num_bytes:,} bytes at byte {offset:,}, found {len(data):,}"
        raise IbDataError(f"{without_secrets(shard)}: {problem}; call to_datasets again")
    return data


# For a process that has the code without the installed package, such as a checkout.
fsspec.register_implementation(PROTOCOL, ShardFileSystem, clobber=True)
