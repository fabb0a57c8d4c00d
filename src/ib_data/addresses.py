"""How addresses are shown: never with a user or a password."""

import re
from urllib.parse import urlsplit

# What is before a host: USER@ or USER:PASSWORD@. A password may hold a bare / ? or #, although it should not: then what
# follows the colon is no port, and all up to the last @ of the word is hidden. Without a scheme, only USER:PASSWORD@.
_USER = re.compile(
    r"(?<=://)(?:[^/?#\s]*@|[^/?#\s@:\[\]]*:(?!\d*(?:[/?#\s'\")]|$))\S*@)"
    r"|(?<![^\s'\"(])[^\s/@:'\"]+:[^\s/@:]+@(?=[\w\[])"
)
# What follows a question mark: often a signature or a token.
_QUERY = re.compile(r"(?<=\?)[^\s'\"]+")
_MIRRORS = ("file", "http", "https")


def without_user(text: str) -> str:
    """An address, or a message with addresses in it, without users and passwords."""
    return _USER.sub("", text)


def without_secrets(text: str) -> str:
    """As `without_user`, and without queries: for addresses that are not public."""
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
