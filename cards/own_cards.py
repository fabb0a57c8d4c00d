"""Required keys and defaults of your own cards: private data has no paper, licence or checksum."""

from collections.abc import Mapping
from typing import Any

from ib_data.strict import Table

NOT_KNOWN = "not known"
# A top-level domain that never exists (RFC 2606), for files without a URL.
NO_HOST = ".invalid"
_ALWAYS = ("name", "task", "splits")
_OF_STORED = ("files", "media")
_OF_PACKAGED = ("title", "role", "paper", "homepage", "metric", "used_split")


def require_keys(table: Table, *, is_own: bool) -> None:
    """Raise DataError that names every missing key of a card; your own cards need fewer."""
    needed = [*_ALWAYS]
    if is_own:
        needed += () if "view_of" in table.values else _OF_STORED
    else:
        needed += _OF_PACKAGED
    lacking = [key for key in needed if key not in table.values]
    if is_own and "fields" not in table.values:
        splits = table.table("splits")
        lacking += [f"splits.{name}.fields" for name in splits.values if "fields" not in splits.table(name).values]
    if lacking:
        words = "key {} is missing" if len(lacking) == 1 else "keys {} are missing"
        raise table.error(words.format(", ".join(map(repr, lacking))), "docs/add-a-dataset.md has a complete card")


def with_defaults(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The front matter of your own card with defaults filled in.

    Values of the wrong type are left as they are, for `parse_card` to report.
    """
    found = {
        "title": name,
        "role": "extra",
        "paper": NOT_KNOWN,
        "homepage": NOT_KNOWN,
        "metric": "none",
        **values,
    }
    if "view_of" not in values:
        given = values.get("licence", {})
        found["licence"] = {"annotations": NOT_KNOWN, "images": NOT_KNOWN, **given} if _is_table(given) else given
    if _is_table(splits := values.get("splits")) and splits:
        found["splits"] = {
            split: {"source_name": split, "default": True, **facts} if _is_table(facts) else facts
            for split, facts in splits.items()
        }
        found.setdefault("used_split", next(iter(splits)))
    if isinstance(files := values.get("files"), list):
        found["files"] = [_file(name, file) if _is_table(file) else file for file in files]
        lacking = [str(file.get("name")) for file in files if _is_table(file) and "url" not in file]
        if lacking:
            gate = {"kind": "files of your own", "where": "its card names no URL", "lay_down": ", ".join(lacking)}
            found.setdefault("gate", gate)
    return found


def _file(dataset: str, file: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": "annotations", "url": f"https://{dataset.replace('_', '-')}{NO_HOST}/{file.get('name')}", **file}


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)
