"""Every builder with every kind of bad source: a clear error with file and row, or a counted drop; never a traceback.

The official files are the miniature's, each changed in one place: every key once, and others that Hypothesis chooses.
"""

import json
import random
import re
from typing import Any

import pytest
from bad_sources import (
    CASES,
    Changed,
    Document,
    assert_nothing_lost,
    build,
    built_whole,
    documents,
    is_map_of_rows,
    is_row,
    keys,
    places,
    row_lists,
)  # fmt: skip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ib_data.builders.all import BUILDERS
from ib_data.builders.write.plan import EmptySplitError, group
from ib_data.cards import load_card

WRONG = [None, "", "  ", "text", 0, -1, 10**30, 1.5, True, [], [None], {}, {"a": 1}, "\ud83d half", "a\x00b\x1b[2J"]
# Values that are of the right type and cannot be what the key means: no id, no name of a file, no address, no place.
HOSTILE = {
    int: [10**400, -5, 10**12],
    str: ["http://[::1", "..", "../../etc/passwd", "a\\b", "n" * 5000, "a\x00b", "\udfff\ud800", "\u0663" * 12],
}  # fmt: skip
# Their rows have no ids of their own: a place in the file is the id, and a doubled row is a row like any other.
POSITIONAL = ("ivqa", "llava_conversation", "llava_detail", "llava_reasoning", "vsr", "web_capfilt")
FIRST_SPLITS = list({name: (name, split) for name, split in reversed(CASES)}.values())
# JSON as a whole, line by line, file by file; and dialogues, which repeat a text in every later turn.
LONGEST = ("vqav2", "vsr", "iconqa", "llava_detail", "visdial")
few = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def rebuilt(files: Changed, document: Document) -> Any:
    return build(files.having(document.role, document.written()))


def test_the_unchanged_files_build(files: Changed) -> None:
    assert built_whole(files).num_annotations > 0


def test_every_key_missing_null_emptied_unknown_and_of_another_type(files: Changed) -> None:
    """At places spread over the file, since it may hold several splits.

    None of these values is the name of another split, so that the rule of `assert_nothing_lost` knows no exception.
    """
    before = built_whole(files).num_rows
    for document in documents(files):
        found: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for signature, path in keys(document.value):
            found.setdefault(signature, []).append(path)
        for path in [path for paths in found.values() for path in (*paths[:: len(paths) // 4 + 1], paths[-1])]:
            holder, key = document.at(path[:-1]), path[-1]
            old = holder.pop(key)
            assert_nothing_lost(before, None, rebuilt(files, document), (document.role, path, "missing"))
            for value in unlike(old):
                holder[key] = value
                kept = old if isinstance(value, list) else None
                assert_nothing_lost(before, kept, rebuilt(files, document), (document.role, path, value))
            holder[key] = old


def unlike(old: Any) -> list[Any]:
    """Null, the empty value, one that no file has there, and one of another type."""
    empty = "" if old is None else type(old)()
    return [None, empty, {str: "no such name", int: 10**9}.get(type(old), empty), 7 if isinstance(old, str) else "text"]


@pytest.mark.parametrize("case", FIRST_SPLITS, ids="/".join)
def test_a_hostile_value_under_every_key(originals: dict[tuple[str, str], Changed], case: tuple[str, str]) -> None:
    """Numbers of hundreds of digits, addresses that are none, names that lead out of a folder: one clear line."""
    files = originals[case]
    before = built_whole(files).num_rows
    for document in documents(files):
        found: dict[tuple[str, ...], tuple[Any, ...]] = {}
        for signature, path in keys(document.value):
            found.setdefault(signature, path)
        for path in found.values():
            holder, key = document.at(path[:-1]), path[-1]
            old = holder[key]
            for value in HOSTILE.get(type(old), []):
                holder[key] = value
                after = rebuilt(files, document)
                assert_nothing_lost(before, None, after, (document.role, path, value))
                assert after is None or all(is_member_name(p.sample.key) for p in after.plan.samples)
            holder[key] = old


def is_member_name(key: str) -> bool:
    """Whether a shard can hold a member of this key, with an ending."""
    return re.fullmatch(r"[A-Za-z0-9_-]{1,92}", key) is not None


@given(data=st.data())
@few
def test_a_value_that_is_missing_or_of_another_type(files: Changed, data: st.DataObject) -> None:
    found = documents(files)
    if not found:
        return
    document = data.draw(st.sampled_from(found))
    path = data.draw(st.sampled_from(list(places(document.value))[:4000]))
    holder, key, is_one_row = document.at(path[:-1]), path[-1], is_row(document, path)
    old = holder[key]
    if data.draw(st.booleans()):
        del holder[key]
    else:
        holder[key] = data.draw(st.sampled_from(WRONG))
    after = rebuilt(files, document) if document.value else None
    if not is_one_row:
        assert_nothing_lost(built_whole(files).num_rows, old, after, (document.role, path))


@given(data=st.data())
@few
def test_a_file_cut_at_any_point(files: Changed, data: st.DataObject) -> None:
    role = data.draw(st.sampled_from(sorted(files.parts)))
    name = data.draw(st.sampled_from(sorted(files.parts[role])))
    whole = files.parts[role][name]
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    if build(files.having(role, {**files.parts[role], name: cut})) is not None:
        # A cut between two lines cannot be seen; whatever was left is whole.
        official = files.located[role].file
        assert (
            official.name.endswith((".csv", ".txt"))
            or (official.member or official.name).endswith(".jsonl")
            or (json.loads(cut) is not None)
        )


def test_rows_in_another_order_give_the_same_annotations(files: Changed) -> None:
    has_ids = files.dataset not in POSITIONAL
    expected = built_whole(files).contents(has_ids=has_ids)
    for seed in range(3):
        for document in documents(files):
            for rows in row_lists(document):
                if all(isinstance(row, dict) for row in rows):  # texts may be pointed at by their places
                    random.Random(seed).shuffle(rows)
            if is_map_of_rows(document.value):
                items = list(document.value.items())
                document.value.clear()
                document.value.update(reversed(items))
            built = rebuilt(files, document)
            assert built is not None
            assert built.contents(has_ids=has_ids) == expected


def test_unknown_keys_are_never_fatal(files: Changed) -> None:
    def added(value: Any, depth: int = 0) -> Any:
        if isinstance(value, list):
            return [added(item, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        new = {"a_new_key": {"of": [1, None]}} if depth and not is_map_of_rows(value) else {}
        return {**{key: added(item, depth + 1) for key, item in value.items()}, **new}

    expected = built_whole(files).contents(has_ids=True)
    for document in documents(files):
        built = rebuilt(files, Document(document.role, document.form, added(document.value)))
        assert built is not None
        assert built.contents(has_ids=True) == expected


@pytest.mark.parametrize("case", FIRST_SPLITS, ids="/".join)
def test_a_text_of_many_megabytes(originals: dict[tuple[str, str], Changed], case: tuple[str, str]) -> None:
    """It takes the place of the text of an annotation: 50 MB once for each form of file, 1 MB elsewhere."""
    files = originals[case]
    before = built_whole(files)
    annotation = before.plan.samples[0].sample.annotations[0]
    given = annotation.question or annotation.caption or annotation.statement or annotation.context
    text = " ".join(given.split())
    for document in documents(files):
        for path in places(document.value):
            value = document.at(path)
            if isinstance(value, str) and text in " ".join(value.split()):
                document.at(path[:-1])[path[-1]] = ("w" * 4_999 + " ") * (10_000 if case[0] in LONGEST else 200)
                built = rebuilt(files, document)
                assert built is not None
                assert (built.num_annotations, built.num_rows) == (before.num_annotations, before.num_rows)
                return
    assert not documents(files)  # one in CSV


def test_an_empty_split_says_so(originals: dict[tuple[str, str], Changed]) -> None:
    changed = originals["vsr", "test"].having("annotations", {"": b"\n\n"})
    with pytest.raises(EmptySplitError, match="no row of split test"):
        group(changed, BUILDERS["vsr"](changed), load_card("vsr").splits["test"])


def test_a_duplicate_row_is_never_two_annotations(files: Changed) -> None:
    """The first row of every list, and the last; and a key of an object of rows, which JSON alone would keep once."""
    if files.dataset in POSITIONAL:
        return
    before = built_whole(files).num_annotations
    for document in documents(files):
        for rows in row_lists(document):
            for row in (rows[0], rows[-1]):
                rows.append(row)
                built = rebuilt(files, document)
                assert built is None or built.num_annotations == before, row
                rows.pop()
        if document.form == "whole" and is_map_of_rows(document.value):
            (text,) = document.written().values()
            key = next(iter(document.value))
            again = json.dumps({key: document.value[key]})[:-1].encode() + b", " + text[1:]
            assert build(files.having(document.role, {"": again})) is None
