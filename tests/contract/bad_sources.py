"""The miniature's official files, changed in one place. Knows no dataset by name."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from ib_data.builders.all import BUILDERS
from ib_data.builders.source.files import Files
from ib_data.builders.write.plan import Plan, group, make_plan
from ib_data.cards import card_names, load_card
from ib_data.errors import IbDataError
from ib_data.sample import Sample

CASES = [(n, s) for n in card_names() if load_card(n).view_of is None for s in load_card(n).splits]
Path = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed(Files):
    """Official files with these bytes: role -> name of a file of the tree (empty for a file of its own) -> bytes."""

    parts: dict[str, dict[str, bytes]]

    def _bytes(self, role: str) -> bytes:
        return b"\n".join(self.parts[role].values())

    def _tree(self, role: str) -> Iterator[tuple[str, bytes]]:
        return iter(sorted(self.parts[role].items()))

    def having(self, role: str, parts: dict[str, bytes]) -> "Changed":
        return replace(self, parts={**self.parts, role: parts})


def in_memory(files: Files) -> Changed:
    """The files of a split, read whole."""
    parts = {
        role: dict(files._tree(role)) if found.file.tree else {"": files._bytes(role)}
        for role, found in files.located.items()
    }
    return Changed(dataset=files.dataset, split=files.split, form=files.form, located=files.located, parts=parts)


@dataclass(frozen=True, slots=True)
class Document:
    """The JSON of a role. `value` is the value of the file, the list of its lines, or {name: value} of a tree."""

    role: str
    form: str
    value: Any

    def written(self) -> dict[str, bytes]:
        if self.form == "tree":
            return {name: json.dumps(value).encode() for name, value in self.value.items()}
        if self.form == "lines":
            return {"": b"\n".join(json.dumps(row).encode() for row in self.value)}
        return {"": json.dumps(self.value).encode()}

    def at(self, path: Path) -> Any:
        value = self.value
        for step in path:
            value = value[step]
        return value


def documents(files: Changed) -> list[Document]:
    """A fresh copy of every role that is JSON."""
    return [document for role in files.parts if (document := _document(files, role))]


def _document(files: Changed, role: str) -> Document | None:
    parts = files.parts[role]
    if files.located[role].file.tree:
        return Document(role, "tree", {name: json.loads(data) for name, data in parts.items()})
    try:
        return Document(role, "whole", json.loads(parts[""]))
    except ValueError:
        pass
    if PurePosixPath(files.located[role].file.member or files.located[role].file.name).suffix != ".jsonl":
        return None
    return Document(role, "lines", [json.loads(line) for line in parts[""].splitlines() if line.strip()])


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every value inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def is_map_of_rows(value: Any) -> bool:
    """Whether this is an object whose keys are ids, not names: there another key is another row."""
    return isinstance(value, dict) and bool(value) and all(isinstance(item, dict) for item in value.values())


def is_row(document: Document, path: Path) -> bool:
    """Whether a path leads to an item of a list or of an object of rows: without it, the file has a row less."""
    return not isinstance(path[-1], str) or is_map_of_rows(document.at(path[:-1]))


def keys(value: Any, signature: tuple[str, ...] = (), path: Path = ()) -> Iterator[tuple[tuple[str, ...], Path]]:
    """(signature, path) of every named key; a signature is the path without places in lists and ids of rows."""
    is_list = isinstance(value, list) or is_map_of_rows(value)
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, item in items:
        own = signature if is_list else (*signature, key)
        if not is_list:
            yield own, (*path, key)
        yield from keys(item, own, (*path, key))


def row_lists(document: Document, value: Any = None, path: Path = ()) -> Iterator[list[Any]]:
    """Every list that is the file itself or is under keys alone, so that it belongs to no row."""
    value = document.value if not path else value
    if isinstance(value, list) and value:
        yield value
    elif isinstance(value, dict) and document.form != "tree" and not (is_map_of_rows(value) and len(value) > 1):
        for key, item in value.items():
            yield from row_lists(document, item, (*path, key))


@dataclass(frozen=True, slots=True)
class Built:
    """What a build without media came to."""

    plan: Plan

    @property
    def num_annotations(self) -> int:
        return sum(len(planned.sample.annotations) for planned in self.plan.samples)

    @property
    def num_rows(self) -> int:
        """The rows of which something is known: annotations and drops."""
        return self.num_annotations + len(self.plan.drops)

    def contents(self, *, has_ids: bool) -> Counter[str]:
        """Every annotation with its photo, and every drop, in no order; without ids where they are places."""
        found: Counter[str] = Counter(drop.reason + drop.source_id * has_ids for drop in self.plan.drops)
        for planned in self.plan.samples:
            for annotation in json.loads(planned.sample.to_json())["annotations"]:
                own_id = annotation.pop("id")
                found[json.dumps([planned.sample.key, own_id if has_ids else "", annotation])] += 1
        return found


def build(files: Changed) -> Built | None:
    """A build without media, or None where it ends in one clear line."""
    card = load_card(files.dataset)
    try:
        images, drops = group(files, BUILDERS[files.dataset](files), card.splits[files.split])
        plan = make_plan(files, images, drops)
    except IbDataError as error:
        line = str(error)
        assert line.startswith(f"{files.dataset}: ")
        assert line.isprintable()
        return None
    for planned in plan.samples:
        assert Sample.from_json(planned.sample.to_json().encode()) == planned.sample
    assert all(drop.reason and drop.source_id for drop in drops)
    return Built(plan)


def built_whole(files: Changed) -> Built:
    built = build(files)
    assert built is not None
    return built


def assert_nothing_lost(before: int, old: Any, after: Built | None, where: object) -> None:
    """The rule for one value changed that is no row itself: the build ends in an error, or as many rows are known.

    Only an emptied or replaced list may leave fewer, those that stood in it; one trace must remain of them.
    """
    if after is not None:
        least = before - max(len(old) - 1, 0) if isinstance(old, list) else before
        assert least <= after.num_rows <= before, where
