"""Reading docs/format.md: its tables and its examples."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[1] / "docs" / "format.md").read_text()
JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "number or null": (int, float, type(None)),
    "integer or null": (int, type(None)),
    "list or null": (list, type(None)),
    "object or null": (dict, type(None)),
    "true or false": (bool,),
    "object": (dict,),
}


def section(title: str) -> str:
    """The text under a heading, up to the next one of its level or above."""
    head = re.search(rf"^(#+) {re.escape(title)}$", PAGE, re.MULTILINE)
    assert head, title
    end = re.search(rf"^#{{1,{len(head[1])}}} ", PAGE[head.end() :], re.MULTILINE)
    return PAGE[head.end() : head.end() + end.start() if end else None]


def table(title: str) -> dict[str, list[str]]:
    """The first table under a heading: the other cells of each row by the name in its first."""
    rows = re.search(r"^\| ---.*\n((?:\|.*\n)+)", section(title), re.MULTILINE)
    assert rows, title
    cells = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in rows[1].splitlines()]
    found = {first.strip("`"): rest for first, *rest in cells}
    assert len(found) == len(cells), "a field occurs twice"
    return found


def example(title: str) -> Any:
    (text,) = re.findall(r"^```json\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)
    return json.loads(text)


def fits(value: Any, kind: str) -> bool:
    if kind.startswith("list of "):
        return isinstance(value, list)
    return isinstance(value, JSON_TYPES[kind]) and (kind == "true or false" or not isinstance(value, bool))


def check_keys(value: Mapping[str, Any], title: str) -> None:
    """The keys of an object are those of a table, those that are always there among them, with their types."""
    rows = table(title)
    assert {name for name, row in rows.items() if row[1] == "yes"} <= set(value) <= set(rows)
    assert [name for name, item in value.items() if not fits(item, rows[name][0])] == []
