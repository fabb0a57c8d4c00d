"""The Image feature of `datasets` over images that stay in their shard. Needs datasets (`ib-data[datasets]`)."""

import re
from typing import Any

import pyarrow as pa
from datasets import Image

from ib_data.errors import IbDataError
from ib_data.stored.urls import without_secrets

_PLACE = re.compile(r"(.+)#(\d+)\+(\d+)")


def place_of(shard: str, offset: int, num_bytes: int) -> str:
    """What the column `path` holds of an image: its shard (a path or a URL), and its bytes in it."""
    return f"{shard}#{offset}+{num_bytes}"


class StoredImage(Image):  # type: ignore[misc]
    """Decodes as `Image`, from a byte range of a shard. What is saved or pushed holds the bytes, and is a plain `Image`.

    IbDataError where the shard cannot be read, or ends before the image.
    """

    def decode_example(self, value: Any, token_per_repo_id: Any = None) -> Any:
        """The image, as Pillow has it."""
        return super().decode_example(_with_bytes(value), token_per_repo_id)

    def embed_storage(self, storage: pa.StructArray, *given: Any, **named: Any) -> pa.StructArray:
        """The column with the bytes of its images."""
        values = [_with_bytes(value) for value in storage.to_pylist()]
        return super().embed_storage(pa.array(values, type=self.pa_type), *given, **named)


def _with_bytes(value: Any) -> Any:
    """`value` with the bytes that its place names; anything else as it is."""
    if not isinstance(value, dict) or value["bytes"] is not None or not value["path"]:
        return value
    place = _PLACE.fullmatch(value["path"])
    return {"bytes": _read(place[1], int(place[2]), int(place[3])), "path": None} if place else value


def _read(shard: str, offset: int, num_bytes: int) -> bytes:
    try:
        if "://" in shard:
            import fsspec

            file_system, path = fsspec.url_to_fs(shard)
            data = bytes(file_system.cat_file(path, start=offset, end=offset + num_bytes))
        else:
            with open(shard, "rb") as file:
                file.seek(offset)
                data = file.read(num_bytes)
    except OSError as error:
        raise IbDataError(f"{without_secrets(shard)}: cannot be read ({error}); is it still there?") from error
    if len(data) != num_bytes:
        problem = f"expected an image of {num_bytes:,} bytes at byte {offset:,}, found {len(data):,}"
        raise IbDataError(f"{without_secrets(shard)}: {problem}; it was built again: call to_datasets again")
    return data
