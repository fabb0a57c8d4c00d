"""The contract of every builder, tested on the miniature through the command line."""

import hashlib
import io
import json
import re
from collections.abc import Collection
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ib_data.builders.all import BUILDERS
from ib_data.builders.miniature.server import miniature_fetcher
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.write.build import build_split
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.cards import card_names, load_card
from ib_data.home import Home
from ib_data.media.frames import frames
from ib_data.mixtures.catalog.file import rebuild
from ib_data.mixtures.catalog.queries import query
from ib_data.sample import Sample
from ib_data.stored.built_split import open_built
from ib_data.stored.index import SCHEMA
from ib_data.stored.manifest import read_manifest

DOCS = Path(__file__).resolve().parents[2] / "docs"
# Both libraries leave the files they read to the garbage collector.
other_readers = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", (DOCS / "readers.md").read_text(), re.MULTILINE | re.DOTALL)
STORED = [name for name in card_names() if load_card(name).view_of is None]
SPLITS = [(name, split) for name in STORED for split in load_card(name).splits]


def build_all(home: Home, by_two: Collection[tuple[str, str]] = ()) -> None:
    """Builds all splits, those in `by_two` with two workers."""
    with miniature_fetcher(home) as fetcher:
        for name, split in SPLITS:
            card, workers = load_card(name), 2 if (name, split) in by_two else 1
            options = Options(miniature=True, samples_per_shard=8, workers=workers)
            build = Build(home=home, fetcher=fetcher, folders=SourceFolders(), options=options)
            build_split(card, split, card.forms[0] if card.forms else None, build)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("miniature"))
    build_all(home)
    rebuild(home)
    return home


@pytest.fixture(params=SPLITS, ids="/".join)
def case(request: pytest.FixtureRequest, built: Home) -> tuple[str, str, Path]:
    name, split = request.param
    return name, split, built.split(name, split)


def rows_of(folder: Path) -> list[dict]:
    return pq.read_table(folder / "index.parquet", schema=SCHEMA).to_pylist()


def samples_of(folder: Path) -> list[tuple[Sample, bytes]]:
    built = open_built(Home(folder.parents[2]), folder.parent.name, folder.name)
    return [built.read(ref) for ref in built.refs()]


# Datasets whose files cost more. VisDial: texts by indices into two tables, 100 candidates a round, a last round whose
# answer is hidden, and a second file of relevance; nothing of it is shared by another dataset.
LONGER = {"visdial": 90}


def test_every_dataset_costs_at_most_60_lines_with_the_helpers_that_it_alone_uses() -> None:
    assert set(BUILDERS) == set(STORED)
    folder = Path(__file__).resolve().parents[2] / "builders"
    texts = {name: (folder / f"{name}.py").read_text() for name in BUILDERS}
    lines = {name: len(text.splitlines()) for name, text in texts.items()}
    for helper in folder.glob("formats/[a-z]*.py"):
        users = [name for name, text in texts.items() if f"ib_data.builders.formats.{helper.stem} import" in text]
        assert users, f"nobody uses {helper.name}"
        if len(users) == 1:
            lines[users[0]] += len(helper.read_text().splitlines())
    assert {name: count for name, count in lines.items() if count > 60} == LONGER


def test_the_fields_of_the_card_are_there_and_ids_are_unique(case) -> None:
    name, split, folder = case
    annotations = [annotation for sample, _ in samples_of(folder) for annotation in sample.annotations]
    assert annotations
    for annotation in annotations:
        for field in load_card(name).splits[split].fields:
            assert getattr(annotation, field) not in (None, "", ()), (annotation.id, field)
    assert len({annotation.id for annotation in annotations}) == len(annotations)


def test_the_json_has_no_null_and_no_empty_text(case) -> None:
    def walk(value: object) -> None:
        assert value is not None
        assert value not in ("", [], {})
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(item)

    for sample, _ in samples_of(case[2]):
        walk(json.loads(sample.to_json()))
        assert Sample.from_json(sample.to_json()) == sample


def test_every_image_and_clip_opens_and_matches_its_sample(case) -> None:
    for sample, data in samples_of(case[2]):
        if sample.media.kind == "video":
            assert frames(data).shape == (4, sample.media.height, sample.media.width, 3)
        else:
            image = Image.open(io.BytesIO(data))
            image.load()
            assert image.size == (sample.media.width, sample.media.height)
        assert hashlib.sha256(data).hexdigest() == sample.media.sha256


@pytest.fixture(scope="session")
def catalog_counts(built: Home) -> list[dict[tuple[str, str], tuple[int, ...]]]:
    """By dataset and split: what `datasets` says, and the number of annotations, samples and drops in the catalog."""
    said = "select name, split, num_samples, num_annotations from datasets where num_samples is not null"
    counted = [f"select dataset, split, count(*) from {of} group by all" for of in ("annotations", "samples", "drops")]
    return [{tuple(row[:2]): tuple(row[2:]) for row in query(built, sql)[1]} for sql in (said, *counted)]


def test_counts_of_manifest_index_drops_and_catalog_agree(case, catalog_counts) -> None:
    name, split, folder = case
    manifest = read_manifest(folder, name)
    rows = rows_of(folder)
    assert manifest.num_annotations == len(rows) == sum(shard.num_annotations for shard in manifest.shards)
    assert manifest.num_samples == len({row["key"] for row in rows})
    drops = pq.read_table(folder / "drops.parquet").to_pylist()
    assert manifest.num_drops == len(drops)
    assert all(drop["reason"] and drop["source_id"] for drop in drops)
    in_datasets, in_annotations, in_samples, in_drops = (counts.get((name, split)) for counts in catalog_counts)
    assert in_datasets == (manifest.num_samples, manifest.num_annotations)
    assert (in_samples, in_annotations) == ((manifest.num_samples,), (manifest.num_annotations,))
    assert (in_drops or (0,)) == (manifest.num_drops,)


def test_keys_are_sorted_and_members_are_adjacent(case) -> None:
    rows = rows_of(case[2])
    keys = [row["key"] for row in rows]
    assert keys == sorted(keys)
    assert not any(key.isdigit() for key in keys)
    for row in rows:
        end = row["offset"] + row["num_bytes"]
        assert row["offset"] < row["media_offset"] < row["json_offset"] < end


@pytest.mark.parametrize("name", STORED)
def test_no_annotation_is_in_two_splits(built: Home, name: str) -> None:
    ids = [{row["id"] for row in rows_of(built.split(name, split))} for split in load_card(name).splits]
    assert len(set.union(*ids)) == sum(map(len, ids))


def test_another_machine_with_more_workers_gets_the_same_bytes(built: Home, tmp_path: Path) -> None:
    """Another folder stands for another machine; the manifest, too, names nothing of this one."""
    home = Home(tmp_path / "other")
    # An image archive, a tar of clips and crawled files, each read by two processes.
    by_two = [(name, load_card(name).used_split) for name in ("iconqa", "msvd_qa", "web_capfilt")]
    build_all(home, by_two)

    def contents(root: Path) -> dict[str, str]:
        files = (path for path in (root / "shards").rglob("*") if path.is_file())
        return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    assert contents(home.root) == contents(built.root)
    assert str(built.root) not in "".join(path.read_text() for path in built.root.glob("shards/*/*/manifest.json"))
    assert all(len(list(home.split(*case).glob("*.tar"))) > 1 for case in by_two)


@other_readers
def test_webdataset_reads_every_field_and_image(case, built: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/readers.md says it."""
    name, split, folder = case
    monkeypatch.chdir(built.root / "shards")
    snippet = BLOCKS[0].replace("shardshuffle=False", "shardshuffle=False, empty_check=False")
    found = []
    for shard in sorted(folder.glob("*.tar")):
        text = snippet.replace("vqav2/train/vqav2-train-000000.tar", f"{name}/{split}/{shard.name}")
        loop = f"{text}    found.append((sample['__key__'], json.loads(sample['json']), image))\n"
        exec(compile(loop, "docs/readers.md", "exec"), {"found": found})
    assert found == [(sample.key, json.loads(sample.to_json()), data) for sample, data in samples_of(folder)]


@other_readers
@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_reads_every_field_and_image(
    case, built: Home, streaming: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/readers.md says it; the images as they are stored."""
    name, split, folder = case
    monkeypatch.chdir(built.root / "shards")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    text = BLOCKS[1].replace("vqav2/train", f"{name}/{split}").replace("Image()", "Image(decode=False)")
    text = text.replace('split="train"', f'split="train", streaming={streaming}')
    found: list[tuple[str, dict, bytes]] = []
    loop = f"{text}    found.append((sample['__key__'], sample['json'], image))\n"
    exec(compile(loop, "docs/readers.md", "exec"), {"found": found})
    found = [(key, value, image if isinstance(image, bytes) else image["bytes"]) for key, value, image in found]
    assert found == [(sample.key, json.loads(sample.to_json()), data) for sample, data in samples_of(folder)]
