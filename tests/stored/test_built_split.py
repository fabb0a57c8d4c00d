"""A built split: what it gives agrees with its index, at home and in a bucket; each fault is one line."""

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ib_data.cards import load_card
from ib_data.cards.built import NoSplitError, open_split
from ib_data.errors import DataError, IbDataError
from ib_data.home import MANIFEST, Home
from ib_data.sample import Sample
from ib_data.stored.built_split import BuiltSplit, NotBuiltError, open_built
from ib_data.stored.index import SCHEMA, annotation_of
from ib_data.stored.manifest import INDEX
from ib_data.stored.store import LocalStore, store_of

Build = Callable[..., Path]
TRAIN = "train"
SHARD = "vqav2-train-000001.tar"


@pytest.fixture(params=["home", "bucket"])
def split(request: pytest.FixtureRequest, tiny_home: Home, near: Home) -> BuiltSplit:
    """vqav2/train of 20 samples, at home and in a bucket."""
    if request.param == "home":
        return open_built(tiny_home, "vqav2", TRAIN)
    return open_built(store_of(near, request.getfixturevalue("bucket")), "vqav2", TRAIN)


def index_of(home: Home, dataset: str = "vqav2") -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(home.split(dataset, TRAIN) / INDEX).to_pylist()
    return rows


def test_what_a_split_gives_is_what_its_index_says(split: BuiltSplit, tiny_home: Home) -> None:
    rows = index_of(tiny_home)
    expected = [annotation_of(row) for row in rows]
    assert (split.dataset, split.split, len(split), split.num_samples) == ("vqav2", TRAIN, 40, 20)
    assert list(split.annotations()) == [split.annotation(row) for row in range(40)] == expected
    samples = list(split.samples())
    keys = [row["key"] for row in rows if row["ordinal"] == 0]
    assert [sample.key for sample in samples] == keys == sorted(keys)
    assert [a for sample in samples for a in sample.annotations] == expected
    assert [split.sample(sample.key) for sample in samples] == samples
    assert [split.sample_at(row) for row in range(40)] == [sample for sample in samples for _ in range(2)]
    for sample in samples:
        data = split.media(sample.key)
        assert data is not None
        assert data.startswith(b"\xff\xd8vqav2 ")
        assert split.read(split.ref_of(sample.key)) == (sample, data)


def test_parts_of_a_split(split: BuiltSplit) -> None:
    samples = list(split.samples())
    assert list(split.samples(3)) == samples[:3]
    assert list(split.refs(0)) == []
    assert [ref.row for ref in split.refs(99)] == list(range(0, 40, 2))
    assert [ref.key for ref in split.refs_at([0, 1, 5, 39])] == [samples[i].key for i in (0, 2, 19)]
    assert [split.read(ref, media=False)[0] for ref in split.refs_at([5])] == [split.sample_at(5)]
    found = dict(split.annotations_at([3, 39], fields=("id", "question")))
    assert found == {row: replace(split.annotation(row), answers=()) for row in (3, 39)}
    assert list(split.annotations_at([])) == []


def test_a_place_that_is_not_in_the_split_is_told(split: BuiltSplit) -> None:
    for row in (-1, 40):
        with pytest.raises(IndexError, match=f"there is no row {row} in vqav2/train: expected 0 to 39"):
            split.annotation(row)
        with pytest.raises(IndexError):
            split.sample_at(row)
    for key in ("", "vqav2-train-000003x", "z"):
        with pytest.raises(KeyError, match="vqav2/train has no sample"):
            split.sample(key)
    with pytest.raises(ValueError, match="the index has no column 'questions'; did you mean 'question'"):
        next(split.batches(["questions"]))


def test_batches_are_flat(split: BuiltSplit) -> None:
    batches = list(split.batches(num_rows=7))
    assert [batch.num_rows for batch in batches] == [7, 7, 7, 7, 7, 5]
    assert batches[0].schema == SCHEMA
    assert pa.Table.from_batches(batches) == pq.read_table(split.folder / INDEX)
    (keys,) = split.batches(["key", "ordinal"])
    assert keys.schema.names == ["key", "ordinal"]


def test_one_batch_is_held_at_a_time(tiny_home: Home, tmp_path: Path) -> None:
    of = open_built(tiny_home, "vqav2", TRAIN)
    table = pa.concat_tables([pq.read_table(of.folder / INDEX)] * 500)
    pq.write_table(table, tmp_path / INDEX, row_group_size=1000)
    split = BuiltSplit(of.store, tmp_path, replace(of.manifest, num_annotations=20_000))
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in split.batches(num_rows=1000)]
    assert len(held) == 20
    assert max(held) < table.nbytes / 4


def test_passes_write_nothing(home: Home, build_split: Build) -> None:
    build_split(home, "vqav2", 4)
    before = set(home.root.rglob("*"))
    split = open_built(home, "vqav2", TRAIN)
    assert len(list(split.samples())) == 4
    assert len(list(split.annotations())) == 8
    assert len(list(split.refs_at([1]))) == 1
    assert set(home.root.rglob("*")) == before


def test_the_miniature_agrees_with_its_index(dialogues: Home) -> None:
    split = open_split(dialogues, "llava_conversation")
    rows = index_of(dialogues, "llava_conversation")
    assert [split.annotation(row) for row in range(len(split))] == [annotation_of(row) for row in rows]
    samples: list[Sample] = list(split.samples())
    assert [(s.key, a.id) for s in samples for a in s.annotations] == [(row["key"], row["id"]) for row in rows]
    assert split.media(samples[0].key) is None  # built without media
    assert [sample.key for sample in samples] == sorted(sample.key for sample in samples)


def test_a_split_is_shown_in_words_and_may_be_pickled(split: BuiltSplit) -> None:
    place = split.store.address(split.folder, "").rstrip("/")
    assert repr(split) == f"<BuiltSplit vqav2/train: 40 annotations of 20 samples in 3 shards, {place}>"
    split.annotation(0)  # with a shard and an index open
    other = pickle.loads(pickle.dumps(split))  # noqa: S301
    assert other.annotation(39) == split.annotation(39)
    assert other.fingerprint == split.fingerprint
    split.close()
    assert split.annotation(39) == other.annotation(39)


def test_the_fingerprint_is_of_what_is_read(home: Home, build_split: Build, split: BuiltSplit) -> None:
    folder = build_split(home, "vqav2", 20)
    same = open_built(home, "vqav2", TRAIN)
    assert same.fingerprint == split.fingerprint  # wherever it is, and built when
    changed = replace(same.manifest, num_drops=7, drops_sha256="0" * 64, recipe={"limit": 1})
    assert BuiltSplit(same.store, folder, changed).fingerprint == same.fingerprint
    build_split(home, "vqav2", 20, picture=lambda dataset, number: b"\xff\xd8another")
    assert open_built(home, "vqav2", TRAIN).fingerprint != same.fingerprint
    shard = replace(same.manifest.shards[0], sha256="0" * 64)
    for other in (
        replace(same.manifest, shards=(shard, *same.manifest.shards[1:])),
        replace(same.manifest, index_sha256="0" * 64),
        replace(same.manifest, split="validation"),
        replace(same.manifest, dataset="okvqa"),
    ):
        assert BuiltSplit(same.store, folder, other).fingerprint != same.fingerprint


def test_a_split_that_is_not_built_says_what_to_run(tiny_home: Home, near: Home, bucket: str) -> None:
    with pytest.raises(NotBuiltError, match=r"^gqa is not built here; run `ib-data build gqa`$"):
        open_built(tiny_home, "gqa", TRAIN)
    with pytest.raises(NotBuiltError, match=r"'test' is not built here \(built: train\); run .* vqav2 --split test`$"):
        open_built(tiny_home, "vqav2", "test")
    with pytest.raises(NotBuiltError, match=rf"^gqa/train: there is no {bucket}/gqa/train/manifest\.json; upload"):
        open_built(store_of(near, bucket), "gqa", TRAIN)
    with pytest.raises(IbDataError, match="unknown split 'trian'; did you mean 'train'"):
        open_built(tiny_home, "vqav2", "trian")


def test_a_view_opens_the_split_of_its_base(tiny_home: Home, near: Home, bucket: str) -> None:
    for place in (tiny_home, store_of(near, bucket)):
        base, view = open_split(place, "vqav2"), open_split(place, load_card("vqav2_qg"), TRAIN)
        assert (view.dataset, view.manifest) == ("vqav2", base.manifest)
        assert view.annotation(3) == base.annotation(3)
    with pytest.raises(NotBuiltError, match=r"^aokvqa is not built here; .* \(aokvqa_qg is a view of aokvqa\)$"):
        open_split(tiny_home, "aokvqa_qg")
    with pytest.raises(NoSplitError, match="vqav2_qg has no split 'test'; it has train"):
        open_split(tiny_home, "vqav2_qg", "test")
    with pytest.raises(IbDataError, match="unknown dataset 'vqav3'; did you mean 'vqav2'"):
        open_split(tiny_home, "vqav3")


def test_the_default_split_is_the_one_of_the_paper(home: Home, build_split: Build) -> None:
    build_split(home, "vqav2", 2, split="validation")
    assert open_split(home, "vqav2").split == "validation"
    folder = build_split(home, "vqav2", 2)
    assert open_split(home, "vqav2").split == TRAIN
    (folder / MANIFEST).write_text("{")  # not passed over in silence
    with pytest.raises(DataError, match=r"manifest\.json: .*build again"):
        open_split(home, "vqav2")
    assert open_split(home, "vqav2", "validation").split == "validation"


@pytest.fixture
def damaged(home: Home, build_split: Build) -> Home:
    """A home with vqav2/train, to be harmed, and okvqa/train."""
    build_split(home, "vqav2", 20)
    build_split(home, "okvqa", 20)
    return home


def lacks_a_column(index: Path) -> None:
    pq.write_table(pq.read_table(index).drop_columns(["history"]), index)


def lacks_rows(index: Path) -> None:
    pq.write_table(pq.read_table(index)[:30], index)


def is_of_another_dataset(index: Path) -> None:
    shutil.copy(index.parents[2] / "okvqa" / TRAIN / INDEX, index)


def has_broken_pages(index: Path) -> None:
    data = index.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    index.write_bytes(data[:4] + bytes(footer - 4) + data[footer:])


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (Path.unlink, "is missing"),
        (lambda index: index.write_bytes(b"PAR1?"), "is not a Parquet file"),
        (lacks_a_column, "does not have the columns of this version of ib_data"),
        (lacks_rows, "expected 40 rows as the manifest says, found 30"),
        (is_of_another_dataset, "is of okvqa/train, not of vqav2/train"),
        (has_broken_pages, r"cannot be read: .*"),
    ],
)
def test_an_index_that_cannot_be_used_is_one_line(damaged: Home, harm: Callable[[Path], None], problem: str) -> None:
    index = damaged.split("vqav2", TRAIN) / INDEX
    harm(index)
    split = open_built(damaged, "vqav2", TRAIN)
    line = rf"^vqav2: {index}: {problem}; build vqav2 again$"
    for read in (split.samples, split.annotations, split.refs, split.batches, lambda: split.refs_at([0])):
        with pytest.raises(DataError, match=line):
            list(read())
    with pytest.raises(DataError, match=rf"^vqav2: {index}: .*; build vqav2 again$"):
        split.annotation(0)  # of the mapped index the checksum is asked for


def flip(data: bytes, place: bytes, by: bytes) -> bytes:
    assert data.count(place) >= 1
    assert len(place) == len(by)
    return data.replace(place, by)


def test_an_index_out_of_key_order_is_one_line(tiny_home: Home, tmp_path: Path) -> None:
    of = open_built(tiny_home, "vqav2", TRAIN)
    table = pq.read_table(of.folder / INDEX)
    pq.write_table(pa.concat_tables([table[20:], table[:20]]), tmp_path / INDEX)
    refs = BuiltSplit(of.store, tmp_path, of.manifest).refs()
    assert [next(refs).key for _ in range(10)][-1] == "vqav2-train-000019"
    says = r"its rows are not in key order: 'vqav2-train-000000' is after 'vqav2-train-000019'; build vqav2 again$"
    with pytest.raises(DataError, match=says):
        next(refs)


def test_a_shard_that_the_manifest_does_not_name_is_one_line(tiny_home: Home) -> None:
    of = open_built(tiny_home, "vqav2", TRAIN)
    split = BuiltSplit(of.store, of.folder, replace(of.manifest, shards=of.manifest.shards[1:]))
    says = r"index\.parquet: names the shard vqav2-train-000000\.tar, which is not in the manifest; build vqav2 again$"
    with pytest.raises(DataError, match=says):
        next(split.samples())


@pytest.mark.parametrize(
    ("harm", "problem", "remedy"),
    [
        (None, "shard is missing", "build vqav2 again"),
        (lambda data: data[:-512], "expected .* bytes as the manifest says, found .*", "build vqav2 again"),
        (lambda data: flip(data, b"9-0", b"9_0"), "expected sha256 .* as the manifest says, found .*", ".*build vqav2"),
    ],
)
def test_a_shard_that_is_not_the_built_one_is_one_line(
    damaged: Home, harm: Callable[[bytes], bytes] | None, problem: str, remedy: str
) -> None:
    shard = damaged.split("vqav2", TRAIN) / SHARD
    data = shard.read_bytes()
    shard.unlink()
    if harm:
        shard.write_bytes(harm(data))
    split = open_built(damaged, "vqav2", TRAIN)
    for read in (split.annotation, split.sample_at):
        assert read(0)
        with pytest.raises(DataError, match=rf"^vqav2: {shard}: {problem}; {remedy}"):
            read(18)
    assert len(list(split.annotations())) == 40  # from the index alone


@pytest.mark.parametrize(
    ("place", "by", "problem"),
    [
        (b'"key":"vqav2-train-000009"', b'"key":"vqav2-train-000008"', "expected a member of sample"),
        (b'"id":"9-0"', b'"id":"9_0"', "expected annotation '9-0' of sample 'vqav2-train-000009', found '9_0'"),
        (b"{", b"[", "a sample's JSON cannot be read"),
        (b'"count":9', b'"count":0', r"sample\.annotations\[0\]\.answers\[0\]\.count: expected an integer from 1"),
        (b'"sha256":"', b'"sha256":"', ""),
    ],
)
def test_a_sample_that_is_not_that_of_the_index_is_one_line(
    damaged: Home, place: bytes, by: bytes, problem: str
) -> None:
    shard = damaged.split("vqav2", TRAIN) / SHARD
    split = open_built(damaged, "vqav2", TRAIN, verify=False)  # the damage is found sample by sample
    ref = split.ref_at(18)
    start, end = ref.extent.json_offset, ref.extent.json_offset + ref.extent.json_bytes
    data = shard.read_bytes()
    text = data[start:end]
    if not problem:  # the checksum of another image
        media = split.sample_at(18).media.sha256
        assert media is not None
        place, by = media.encode(), b"0" * 64
        problem = "sample 'vqav2-train-000009' holds another image or clip than when the index was made"
    shard.write_bytes(data[:start] + flip(text, place, by) + data[end:])
    with pytest.raises(DataError, match=rf"^vqav2: {shard}: byte \d+: {problem}.*: build vqav2 again$"):
        split.annotation(18)
    assert split.sample_at(20).key == "vqav2-train-000010"  # of the same shard


def test_without_verification_what_is_left_of_a_shard_is_read(damaged: Home) -> None:
    shard = damaged.split("vqav2", TRAIN) / SHARD
    shard.write_bytes(shard.read_bytes()[:-5000])
    split = open_built(damaged, "vqav2", TRAIN, verify=False)
    assert split.sample_at(16).key == "vqav2-train-000008"
    with pytest.raises(DataError, match=rf"^vqav2: {shard}: byte \d+: expected .* bytes, the shard gave"):
        split.sample_at(31)
    with pytest.raises(DataError, match="bytes as the manifest says"):
        open_built(damaged, "vqav2", TRAIN).sample_at(16)


def test_faults_in_a_bucket_name_its_url(far: Home, near: Home) -> None:
    url = f"file://{far.root}/shards"
    split = open_built(store_of(near, url), "vqav2", TRAIN)
    (far.split("vqav2", TRAIN) / SHARD).unlink()
    with pytest.raises(DataError, match=rf"^vqav2: {url}/vqav2/train/{SHARD}: is missing in the object store; upload"):
        split.annotation(18)
    (split.folder / INDEX).unlink()
    with pytest.raises(DataError, match=rf"^vqav2: {url}/vqav2/train/index\.parquet: is missing; upload the split"):
        list(split.annotations())
    (far.split("vqav2", TRAIN) / MANIFEST).write_text("{")
    with pytest.raises(DataError, match=rf"^vqav2: {url}/vqav2/train/manifest\.json: cannot be read"):
        open_built(store_of(near, url), "vqav2", TRAIN)


def test_a_store_may_be_given_in_place_of_a_home(tiny_home: Home) -> None:
    assert open_built(LocalStore(tiny_home), "vqav2", TRAIN).annotation(0) == open_split(tiny_home, "vqav2").annotation(
        0
    )
