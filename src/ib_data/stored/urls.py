"""URLs of object stores: whether anything here reads them, and how much of one is kept on the local disk."""

from ib_data.addresses import without_secrets
from ib_data.errors import IbDataError, MissingExtraError

# What is kept of an object store's shards on the local disk, where nothing else is said.
DEFAULT_CACHE_BYTES = 64 * 10**9


def require_readable(url: str) -> None:
    """Raise MissingExtraError or IbDataError where no installed package reads such a URL, or it names no place."""
    shown = without_secrets(url)
    try:
        from fsspec import get_filesystem_class
        from fsspec.core import split_protocol

        protocol, path = split_protocol(url)
        get_filesystem_class(protocol or "file")
    except ImportError as error:
        problem = without_secrets(str(error))
        raise MissingExtraError(f"{shown}: {problem}; for s3:// addresses: pip install 'ib-data[s3]'") from error
    except ValueError as error:
        raise IbDataError(f"{shown}: {without_secrets(str(error))}") from error
    if not path.strip("/ "):
        raise IbDataError(f"{shown!r} names no folder of shards; expected a URL such as s3://BUCKET/PREFIX/shards")
