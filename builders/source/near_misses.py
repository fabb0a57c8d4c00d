"""Near misses of a file that was not found: similar names, and files that are often mistaken for it."""

import difflib
import re
from collections.abc import Iterable, Mapping

# Extensions of annotation files and archives; there are too many images for fuzzy matching.
_ENDINGS = re.compile(r"(\.(json|jsonl|csv|tsv|txt|parquet|arrow|zip|tar|tgz|gz|bz2|xz|7z|rar))+$", re.IGNORECASE)
_MOST_NAMES = 5000
_MOST_SHOWN = 3


def near_names(wanted: Iterable[str], names: Iterable[str], known: Mapping[str, str]) -> list[str]:
    """Names among `names` that may be meant for `wanted`: `known` ones with the reason why they are not read, the same
    name with another extension, and similar names.
    """
    stems = {_stem(name) for name in wanted}
    by_stem: dict[str, list[str]] = {}
    found = []
    for name in names:
        if name in known:
            found.append(f"{name} ({known[name]})")
        elif _ENDINGS.search(name) and len(by_stem) < _MOST_NAMES:
            by_stem.setdefault(_stem(name), []).append(name)
    for stem in stems:
        close = [stem] if stem in by_stem else difflib.get_close_matches(stem, by_stem, n=_MOST_SHOWN, cutoff=0.7)
        found += [name for near in close for name in by_stem[near]]
    return list(dict.fromkeys(found))[:_MOST_SHOWN]


def _stem(name: str) -> str:
    return _ENDINGS.sub("", name).lower()
