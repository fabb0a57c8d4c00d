"""docs/format.md matches the code: names and types of every table in both directions; every example is read."""

import json
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

import pyarrow as pa
import pytest
from format_page import check_keys, example, section, table

from ib_data.builders.write.build import _recipe
from ib_data.builders.write.build_options import Options
from ib_data.home import MANIFEST
from ib_data.mixtures.order.schedule import Stage
from ib_data.mixtures.stream.quarantine import BadSample
from ib_data.mixtures.stream.state import Description, position_of
from ib_data.sample import Annotation, Answer, Media, Sample, Turn
from ib_data.stored.index import DROPS_SCHEMA, SCHEMA, Extent, annotation_of, index_rows
from ib_data.stored.manifest import Manifest, Shard, read_manifest

WORDS = {
    "str": "text",
    "int": "integer",
    "ib_data.sample.Media": "media",
    "tuple[str, ...]": "list of texts",
    "tuple[ib_data.sample.Annotation, ...]": "list of annotations",
    "tuple[ib_data.sample.Answer, ...]": "list of answers",
    "tuple[ib_data.sample.Turn, ...]": "list of turns",
    "tuple[ib_data.stored.manifest.Shard, ...]": "list of shards",
    "collections.abc.Mapping[str, typing.Any]": "object",
}


def of_class(cls: type) -> dict[str, list[str]]:
    """What the table of a dataclass must say: type and whether the field is always there."""
    hints, found = get_type_hints(cls), {}
    for field in fields(cls):
        hint = hints[field.name]
        name = hint.__name__ if hint in (str, int) else str(hint).removesuffix(" | None").removeprefix("<class '")
        is_required = field.default is field.default_factory is MISSING
        found[field.name] = [WORDS[name.removesuffix("'>")], "yes" if is_required else "no"]
    return found


@pytest.mark.parametrize(
    ("title", "cls"),
    [
        ("Sample", Sample),
        ("Media", Media),
        ("Annotation", Annotation),
        ("Answer", Answer),
        ("Turn", Turn),
        ("Manifest", Manifest),
        ("Shard", Shard),
        ("`quarantine.jsonl`", BadSample),
    ],
)
def test_the_tables_of_json_objects_are_those_of_the_code(title: str, cls: type) -> None:
    assert {name: row[:2] for name, row in table(title).items()} == of_class(cls)


@pytest.mark.parametrize(("title", "schema"), [("`index.parquet`", SCHEMA), ("`drops.parquet`", DROPS_SCHEMA)])
def test_the_tables_of_parquet_files_are_their_schemas(title: str, schema: pa.Schema) -> None:
    # pyarrow's versions call the items of a list differently.
    kinds = {field.name: re.sub(r"(?<=list<)\w+: ", "", str(field.type)) for field in schema}
    assert {name: row[0] for name, row in table(title).items()} == kinds
    assert set(example(title)) <= set(schema.names)


def test_the_sample_is_read_and_gives_the_row_of_the_index() -> None:
    written = re.findall(r"```json\n(.*?)```", section("Samples"), re.DOTALL)
    sample = Sample.from_json(written[0])
    assert json.loads(sample.to_json()) == json.loads(written[0])
    row = example("`index.parquet`")
    extent = Extent(**{name: row[name] for name in Extent.__dataclass_fields__})
    assert extent.json_bytes == len(sample.to_json().encode())
    (made,) = index_rows(sample, row["shard"], extent)
    assert {name: value for name, value in made.items() if value is not None} == row
    assert annotation_of(row) == sample.annotations[0]


def test_the_manifest_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    value = json.loads(re.findall(r"```json\n(.*?)```", section("`manifest.json`"), re.DOTALL)[0])
    (folder / MANIFEST).write_text(json.dumps(value))
    manifest = read_manifest(folder, "okvqa")
    assert manifest is not None
    manifest.write(folder)
    assert json.loads((folder / MANIFEST).read_text()) == value
    check_keys(value["recipe"], "Recipe")


def test_the_recipe_is_that_of_a_build() -> None:
    class Source:
        form = "v1"

        def provenance(self) -> list[Any]:
            return []

    options = Options(max_side=64, limit=5, drop_repeated=2)
    recipe = {**_recipe(Source(), options), "plan_sha256": "0", "origins": []}  # type: ignore[arg-type]
    assert set(recipe) == set(table("Recipe"))
    check_keys(recipe, "Recipe")


def test_the_state_is_accepted_by_its_stream() -> None:
    state = example("State of a stream")
    assert set(state) == set(table("State of a stream"))
    check_keys(state, "State of a stream")
    stages = [Stage(row["start"], row["quotas"]) for row in state["stages"]]
    described = Description(members=state["members"], stages=stages, options=state["options"])
    assert position_of(state, described, state["seed"]) == state["position"]


def test_the_line_of_a_bad_sample_is_read() -> None:
    check_keys(example("`quarantine.jsonl`"), "`quarantine.jsonl`")
