"""Zip and tar.gz files and JSON texts with the same bytes on any machine.

Members are stored, not compressed: the bytes of a deflate stream depend on the version of zlib, and the images are
compressed already.
"""

import io
import json
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from typing import IO, Any

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest date in a zip file
_UNIX = 3
_PERMISSIONS = 0o100644
_BLOCK_BYTES = 0xFFFF


def json_bytes(value: Any) -> bytes:
    """A JSON text in ASCII, keys in the order of the mapping."""
    return json.dumps(value, allow_nan=False).encode("ascii")


def jsonl_bytes(rows: list[dict[str, Any]]) -> bytes:
    """JSON Lines: one JSON text per line."""
    return b"".join(json_bytes(row) + b"\n" for row in rows)


def add_member(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Store one member in an open zip file, with a fixed date and fixed permissions."""
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system = _UNIX
    info.external_attr = _PERMISSIONS << 16
    archive.writestr(info, data, zipfile.ZIP_STORED)


def write_archive(name: str, members: Mapping[str, bytes], out: IO[bytes]) -> None:
    """Write `members` as the kind of file that `name` says: zip, tar, tar.gz, or the bytes of the only member."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(out, "w") as archive:
            for member, data in members.items():
                add_member(archive, member, data)
    elif name.endswith(".tar"):
        out.write(_tar(members))
    elif name.endswith(".tar.gz"):
        out.write(_gzip(_tar(members)))
    else:
        (data,) = members.values()
        out.write(data)


def _tar(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for member, data in members.items():
            info = tarfile.TarInfo(member)  # owner 0, time 0, mode 0644
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _gzip(data: bytes) -> bytes:
    """`data` in the gzip format as stored blocks (RFC 1951, 3.2.4; RFC 1952), without name and time."""
    parts = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    for start in range(0, max(len(data), 1), _BLOCK_BYTES):
        block = data[start : start + _BLOCK_BYTES]
        is_last = start + _BLOCK_BYTES >= len(data)
        size = len(block)
        parts.append(bytes([is_last]) + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + block)
    parts.append(zlib.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little"))
    return b"".join(parts)
