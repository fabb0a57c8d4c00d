"""URLs of object stores: whether an installed package reads them, and the default size of the local cache."""

from ib_data.addresses import without_secrets
from ib_data.errors import IbDataError, MissingExtraError

# Default limit on the shards of an object store kept on the local disk.
DEFAULT_CACHE_BYTES = 64 * 10**9


def require_readable(url: str) -> None:
    """Raise MissingExtraError or IbDataError if no installed package reads the URL, or if it names no folder."""
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
