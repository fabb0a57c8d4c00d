"""Every builder before every kind of bad source: a clear error with file and row, or a counted drop; never a traceback.

The official files are the miniature's, each changed in one place that Hypothesis chooses. Nothing here knows a dataset.
"""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ib_data.builders import BUILDERS
from ib_data.builders.files import Files
from ib_data.builders.mirror import miniature_fetcher
from ib_data.builders.plan import EmptySplitError, group, make_plan
from ib_data.builders.sources import SourceFolders, resolve
from ib_data.cards import card_names, load_card
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.sample import Sample

CASES = [(n, s) for n in card_names() if load_card(n).view_of is None for s in load_card(n).splits]
WRONG = [None, "", "  ", "text", 0, -1, 10**30, 1.5, True, [], [None], {}, {"a": 1}, "\ud83d half", "a\x00b\x1b[2J"]
few = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed(Files):
    """Official files of which some have other bytes."""

    bytes_of: dict[str, bytes] = field(default_factory=dict)

    def _bytes(self, role: str) -> bytes:
        return self.bytes_of[role]


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Changed]:
    """The miniature's files of every split, read into memory."""
    home = Home(tmp_path_factory.mktemp("home"))
    found = {}
    with miniature_fetcher(home, num_images=6) as fetcher:
        for name, split in CASES:
            card = load_card(name)
            files = resolve(card, split, card.forms[0] if card.forms else None, SourceFolders(), fetcher)
            read = {role: files._bytes(role) for role in files.located}
            found[name, split] = Changed(
                dataset=files.dataset, split=split, form=files.form, located=files.located, bytes_of=read
            )
    return found


@pytest.fixture(params=CASES, ids="/".join)
def files(request: pytest.FixtureRequest, originals: dict[tuple[str, str], Changed]) -> Changed:
    return originals[request.param]


def with_bytes(files: Changed, role: str, data: bytes) -> Changed:
    return Changed(
        dataset=files.dataset,
        split=files.split,
        form=files.form,
        located=files.located,
        bytes_of={**files.bytes_of, role: data},
    )


def build(files: Changed) -> tuple[int, int] | None:
    """(annotations, drops) of a build without media, or None where it ends in one clear line."""
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
    return sum(len(planned.sample.annotations) for planned in plan.samples), len(drops)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def documents(data: bytes) -> tuple[list[Any], bool] | None:
    """The JSON values in the bytes, and whether they stand one a line; None for a file that is no JSON."""
    try:
        return [json.loads(data)], False
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in data.splitlines() if line.strip()], True
    except ValueError:
        return None


def written(values: list[Any], is_lines: bool) -> bytes:
    return b"\n".join(json.dumps(value).encode() for value in values) if is_lines else json.dumps(values[0]).encode()


def json_roles(files: Changed) -> list[str]:
    return [role for role, data in files.bytes_of.items() if documents(data) is not None]


def test_the_unchanged_files_build(files: Changed) -> None:
    result = build(files)
    assert result is not None
    assert result[0] > 0


@given(data=st.data())
@few
def test_a_value_that_is_missing_or_of_another_type(files: Changed, data: st.DataObject) -> None:
    roles = json_roles(files)
    if not roles:
        return
    role = data.draw(st.sampled_from(roles))
    values, is_lines = documents(files.bytes_of[role])
    values = copy.deepcopy(values)
    every = list(places(values))[:4000]
    path = data.draw(st.sampled_from(every))
    place = values
    for step in path[:-1]:
        place = place[step]
    if data.draw(st.booleans()):
        del place[path[-1]]
    else:
        place[path[-1]] = data.draw(st.sampled_from(WRONG))
    if values:
        build(with_bytes(files, role, written(values, is_lines)))


@given(data=st.data())
@few
def test_a_file_cut_at_any_point(files: Changed, data: st.DataObject) -> None:
    role = data.draw(st.sampled_from(sorted(files.bytes_of)))
    whole = files.bytes_of[role]
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    result = build(with_bytes(files, role, cut))
    if result is not None:
        # A cut between two lines cannot be seen; whatever was left is whole.
        assert documents(cut) is None or documents(cut)[1] or len(documents(cut)[0]) == 1


@given(order=st.randoms(use_true_random=False))
@settings(parent=few, max_examples=5)
def test_rows_in_another_order_give_the_same_annotations(files: Changed, order: Any) -> None:
    for role in json_roles(files):
        values, is_lines = documents(files.bytes_of[role])
        values = copy.deepcopy(values)
        rows = values if is_lines else values[0]
        if isinstance(rows, list):
            order.shuffle(rows)
            assert build(with_bytes(files, role, written(values, is_lines))) == build(files)


def test_unknown_keys_are_never_fatal(files: Changed) -> None:
    def added(value: Any, depth: int = 0) -> Any:
        if isinstance(value, list):
            return [added(item, depth + 1) for item in value]
        if isinstance(value, dict) and depth and not looks_like_a_map_of_rows(value):
            return {**{key: added(item, depth + 1) for key, item in value.items()}, "a_new_key": {"of": [1, None]}}
        return {key: added(item, depth + 1) for key, item in value.items()} if isinstance(value, dict) else value

    for role in json_roles(files):
        values, is_lines = documents(files.bytes_of[role])
        assert build(with_bytes(files, role, written(added(values), is_lines))) == build(files)


def looks_like_a_map_of_rows(value: dict[str, Any]) -> bool:
    """An object whose keys are ids, not names: there a new key would be a new row."""
    return bool(value) and all(isinstance(item, dict) for item in value.values())


def test_a_text_of_50_megabytes(originals: dict[tuple[str, str], Changed]) -> None:
    files = originals["coco_caption", "train"]
    values, is_lines = documents(files.bytes_of["annotations"])
    values = copy.deepcopy(values)
    values[0]["images"][0]["sentences"][0]["raw"] = "word " * 10_000_000
    assert build(with_bytes(files, "annotations", written(values, is_lines))) == build(files)


def test_an_empty_split_says_so(originals: dict[tuple[str, str], Changed]) -> None:
    files = originals["vsr", "test"]
    with pytest.raises(EmptySplitError, match="no row of split test"):
        group(
            changed := with_bytes(files, "annotations", b"\n\n"),
            BUILDERS["vsr"](changed),
            load_card("vsr").splits["test"],
        )


def test_an_id_that_stands_twice_is_an_error(originals: dict[tuple[str, str], Changed], tmp_path: Path) -> None:
    for case in (("okvqa", "train"), ("aokvqa", "train"), ("vqav2", "train")):
        files = originals[case]
        role = "questions" if "questions" in files.bytes_of else "annotations"
        values, is_lines = documents(files.bytes_of[role])
        rows = values[0] if isinstance(values[0], list) else values[0]["questions"]
        rows.append(rows[0])
        assert build(with_bytes(files, role, written(values, is_lines))) is None
