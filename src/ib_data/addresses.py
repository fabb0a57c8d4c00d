"""Addresses: how they are shown, never with a user or a password, and whether anything here reads them."""

import re

from ib_data.errors import IbDataError, MissingExtraError

# What is before a host: USER@ or USER:PASSWORD@. A password may hold a bare / ? or #, although it should not: then what
# follows the colon is no port, and all up to the last @ of the word is hidden. Without a scheme, only USER:PASSWORD@.
_USER = re.compile(
    r"(?<=://)(?:[^/?#\s]*@|[^/?#\s@:\[\]]*:(?!\d*(?:[/?#\s'\")]|$))\S*@)"
    r"|(?<![^\s'\"(])[^\s/@:'\"]+:[^\s/@:]+@(?=[\w\[])"
)
# What follows a question mark: often a signature or a token.
_QUERY = re.compile(r"(?<=\?)[^\s'\"]+")


def without_user(text: str) -> str:
    """An address, or a message with addresses in it, without users and passwords."""
    return _USER.sub("", text)


def without_secrets(text: str) -> str:
    """As `without_user`, and without queries: for addresses that nobody published."""
    return _QUERY.sub("...", without_user(text))


def require_readable_url(url: str) -> None:
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
