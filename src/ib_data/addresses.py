"""Addresses for messages: without user names, passwords and other secrets."""

import re
from urllib.parse import urlsplit

# USER@ or USER:PASSWORD@ before a host. Some passwords hold an unescaped / ? or #: if the text after the colon is no
# port, everything up to the last @ of the word is hidden. Without a scheme, only USER:PASSWORD@.
_USER = re.compile(
    r"(?<=://)(?:[^/?#\s]*@|[^/?#\s@:\[\]]*:(?!\d*(?:[/?#\s'\")]|$))\S*@)"
    r"|(?<![^\s'\"(])[^\s/@:'\"]+:[^\s/@:]+@(?=[\w\[])"
)
# A query: often a signature or a token.
_QUERY = re.compile(r"(?<=\?)[^\s'\"]+")
_MIRRORS = ("file", "http", "https")


def without_user(text: str) -> str:
    """`text`, an address or a message with addresses, without users and passwords."""
    return _USER.sub("", text)


def without_secrets(text: str) -> str:
    """`text` without users, passwords and queries: for addresses that are not public."""
    return _QUERY.sub("...", without_user(text))


def mirror_fault(mirror: str | None) -> str | None:
    """What is wrong with the address of a mirror, or None."""
    try:
        is_known = mirror is None or urlsplit(mirror).scheme in _MIRRORS
    except ValueError:
        is_known = False
    if is_known:
        return None
    return f"mirror {without_user(str(mirror))}: expected an address that begins with file:, http: or https:"
