"""Shards in an object store: a real S3 server on loopback, folders read as one, and all that can be wrong there."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import fsspec
import pytest
from far_shards import places_of

from ib_data.errors import DataError, IbDataError, MissingExtraError
from ib_data.home import MANIFEST, Home
from ib_data.mixtures.spec.built_members import sources
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.stream.stream import open_stream
from ib_data.stored.manifest import INDEX, read_manifest
from ib_data.stored.shard_reader import ShardReader
from ib_data.stored.store import LocalStore, Place, Store, store_of

Build = Callable[..., Path]
MIXTURE = Mixture(name="tiny", rule="sqrt", members=(Member(dataset="vqav2", split="train", size=40),))
SHARD = "vqav2-train-000000.tar"


def local_bytes(home: Home) -> list[bytes]:
    return ShardReader(LocalStore(home)).read(places_of(LocalStore(home), home.cache))


def url_of(home: Home) -> str:
    return f"file://{home.root}/shards"


@pytest.mark.parametrize("cache_bytes", [None, 0])
def test_a_bucket_gives_the_bytes_of_the_home(bucket: str, tiny_home: Home, near: Home, cache_bytes: int) -> None:
    """Through the cache, and read by ranges where there is none."""
    store = store_of(near, bucket, cache_bytes)
    reader = ShardReader(store)
    assert reader.read(places_of(store, near.cache)) == local_bytes(tiny_home)
    meter = reader.meter
    assert (meter.num_opened, meter.num_fetched) == ((3, 3) if cache_bytes is None else (0, 0))
    again = ShardReader(store_of(near, bucket + "/", cache_bytes))
    assert again.read(places_of(again.store, near.cache)) == local_bytes(tiny_home)
    assert (again.meter.num_fetched, again.meter.num_cache_hits) == ((0, 3) if cache_bytes is None else (0, 0))
    assert len([path for path in (near.cache / "remote").iterdir() if path.is_dir()]) == 1  # a slash more or less


def test_members_of_a_mixture_are_found_in_a_bucket(bucket: str, tiny_home: Home, near: Home) -> None:
    both = replace(MIXTURE, members=(*MIXTURE.members, Member(dataset="gqa", split="train", size=9)))
    found = sources(store_of(near, bucket), both)
    local = sources(tiny_home, both)
    assert found["vqav2"].built.manifest == local["vqav2"].built.manifest
    assert (found["vqav2"].num_built, found["gqa"].num_built) == (40, None)
    assert sources(LocalStore(tiny_home), both) == local


def test_a_stream_from_a_bucket_is_the_stream_of_the_home(bucket: str, tiny_home: Home, near: Home) -> None:
    far_examples = list(open_stream(near, MIXTURE, seed=3, shards=bucket).examples(count=60))
    assert far_examples == list(open_stream(tiny_home, MIXTURE, seed=3).examples(count=60))


_barrier: Barrier


def _wait_for_each_other(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _read_all(store: Store, places: list[Place]) -> tuple[list[bytes], int, int]:
    reader = ShardReader(store)
    _barrier.wait(300)
    return reader.read(places), reader.meter.num_fetched, os.getpid()


def test_two_processes_with_one_cache_fetch_each_shard_once(bucket: str, tiny_home: Home, near: Home) -> None:
    store = store_of(near, bucket)
    places = places_of(store, near.cache)
    context = get_context("spawn")
    with context.Pool(2, _wait_for_each_other, (context.Barrier(2),)) as pool:
        found = pool.starmap(_read_all, [(store, places)] * 2, chunksize=1)
    assert len({process for _, _, process in found}) == 2
    assert sum(fetched for _, fetched, _ in found) == 3
    assert all(data == local_bytes(tiny_home) for data, _, _ in found)
    assert not list((near.cache / "shards").glob("*.part"))


def test_a_forked_process_makes_a_connection_of_its_own(bucket: str, near: Home) -> None:
    store = store_of(near, bucket, 0)
    places = places_of(store, near.cache)
    program = """if True:
        import os, pickle, sys
        from ib_data.stored.shard_reader import ShardReader
        store, places = pickle.load(sys.stdin.buffer)
        expected = ShardReader(store).read(places)
        child = os.fork()
        if child == 0:
            os._exit(0 if ShardReader(store).read(places) == expected else 1)
        sys.exit(os.waitpid(child, 0)[1] or len(expected) != 40)
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", program],
        input=pickle.dumps((store, places)),
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr.decode()) == (0, f"{bucket}/vqav2/train/{SHARD}: {NO_ROOM.format(near, 0)}\n")


NO_ROOM = (
    "no room in {0.cache}/shards (at most {1} bytes, all of them in use, or the disk is full): "
    "what does not fit is read over the network each time"
)


def test_a_cache_for_two_of_three_shards_serves_all(far: Home, near: Home) -> None:
    bound = 2 * 20_480 + 100
    store = store_of(near, url_of(far), bound)
    places = places_of(store, near.cache)

    def kept() -> set[str]:
        return {path.name for path in (near.cache / "shards").glob("*.tar")}

    reader = ShardReader(store)
    assert reader.read(places) == local_bytes(far)
    meter = reader.meter
    assert (meter.num_opened, meter.num_fetched, len(kept())) == (2, 2, 2)  # both are in use: no third one
    before = kept()
    reader.close()
    one_open = ShardReader(store_of(near, url_of(far), bound), max_open=1)
    assert one_open.read(places) == local_bytes(far)
    assert one_open.meter.num_opened == 3
    assert (len(kept()), len(kept() & before)) == (2, 1)
    one_open.close()


def test_what_does_not_fit_is_said_once(far: Home, near: Home, capsys: pytest.CaptureFixture[str]) -> None:
    store = store_of(near, url_of(far), 1000)
    for _ in range(2):
        assert ShardReader(store).read(places_of(store, near.cache)) == local_bytes(far)
    assert capsys.readouterr().err == f"{url_of(far)}/vqav2/train/{SHARD}: {NO_ROOM.format(near, '1,000')}\n"


def test_a_store_that_was_built_anew_is_fetched_anew(far: Home, near: Home, build_split: Build) -> None:
    store = store_of(near, url_of(far))
    before = ShardReader(store).read(places_of(store, near.cache))
    build_split(far, "vqav2", 24)
    again = store_of(near, url_of(far))
    found = ShardReader(again).read(places_of(again, near.cache))
    assert len(found) == 48
    assert found == local_bytes(far)
    assert found[:32] == before[:32]  # the first two shards hold what they held, and are not fetched again
    assert again.num_fetched == 1


def test_a_split_that_was_taken_away_is_not_built_any_more(far: Home, near: Home) -> None:
    assert sources(store_of(near, url_of(far)), MIXTURE)["vqav2"].num_built == 40
    (far.split("vqav2", "train") / MANIFEST).unlink()
    assert sources(store_of(near, url_of(far)), MIXTURE)["vqav2"].num_built is None


@pytest.mark.parametrize("cache_bytes", [None, 0])
@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda shard: shard.unlink(), "is missing in the object store; upload the split again"),
        (
            lambda shard: os.truncate(shard, 4096),
            "expected 20,480 bytes as the manifest says, found 4,096; it is damaged",
        ),
        (lambda shard: shard.write_bytes(shard.read_bytes() + b"x"), "found 20,481; it is damaged"),
    ],
)
def test_a_shard_that_is_not_the_manifests_is_named(
    far: Home, near: Home, cache_bytes: int | None, harm: Callable[[Path], object], says: str
) -> None:
    store = store_of(near, url_of(far), cache_bytes)
    places = places_of(store, near.cache)
    harm(far.split("vqav2", "train") / SHARD)
    with pytest.raises(DataError, match=rf"vqav2: file:///\S+/vqav2/train/{SHARD}: .*{says}"):
        ShardReader(store).read(places)
    assert not list(near.cache.glob("shards/*.tar")) + list(near.cache.glob("shards/*.part"))


def test_a_replaced_shard_of_the_same_size_is_not_kept(far: Home, near: Home) -> None:
    store = store_of(near, url_of(far))
    places = places_of(store, near.cache)
    shard = far.split("vqav2", "train") / SHARD
    shard.write_bytes(shard.read_bytes().replace(b"colour", b"number"))
    with pytest.raises(
        DataError, match=rf"{SHARD}: expected sha256 \w+ as the manifest says, found \w+; it is damaged"
    ):
        ShardReader(store).read(places)
    assert not list(near.cache.glob("shards/*.tar")) + list(near.cache.glob("shards/*.part"))


@pytest.mark.parametrize(
    ("name", "harm", "says"),
    [
        (INDEX, lambda path: path.unlink(), "index.parquet: is missing in the object store"),
        (INDEX, lambda path: path.write_bytes(b"PAR1"), r"index.parquet: expected sha256 \w+ as the manifest says"),
        (
            MANIFEST,
            lambda path: path.write_text("{"),
            r"^vqav2: file://.*/vqav2/train/manifest.json: cannot be read: .*; copy the split there again, manifest",
        ),
        (
            MANIFEST,
            lambda path: path.write_text('{"more": 1}'),
            r"^vqav2: file://.*another version of ib_data\? use that one, or copy the split there again, manifest",
        ),
    ],
)
def test_a_damaged_index_or_manifest_is_named_and_never_kept(
    far: Home, near: Home, name: str, harm: Callable[[Path], object], says: str
) -> None:
    path = far.split("vqav2", "train") / name
    whole = path.read_bytes()
    harm(path)
    with pytest.raises(DataError, match=says):
        store_of(near, url_of(far)).folder("vqav2", "train")
    path.write_bytes(whole)
    assert sources(store_of(near, url_of(far)), MIXTURE)["vqav2"].num_built == 40


def test_a_checksum_that_is_a_path_is_no_file_name(far: Home, near: Home) -> None:
    path = far.split("vqav2", "train") / MANIFEST
    manifest = read_manifest(path.parent, "vqav2")
    assert manifest is not None
    shards = [replace(shard, sha256="../../../escaped") for shard in manifest.shards]
    replace(manifest, shards=tuple(shards)).write(path.parent)
    store = store_of(near, url_of(far))
    with pytest.raises(DataError, match="expected a sha256 of 64 hex digits"):
        ShardReader(store).read(places_of(store, near.cache))


def test_a_network_that_fails_gives_one_line(far: Home, near: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(near, url_of(far))
    places = places_of(store, near.cache)

    def fail(*_arguments: object, **_options: object) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(type(fsspec.filesystem("file")), "cat_ranges", fail)
    with pytest.raises(DataError) as caught:
        ShardReader(store).read(places)
    assert str(caught.value) == (
        f"vqav2: {url_of(far)}/vqav2/train/{SHARD}: cannot be read: ConnectionResetError: [Errno 104] Connection reset "
        "by peer; look at the address, the credentials and the network"
    )
    assert not list(near.cache.glob("shards/*.part"))


def test_a_bucket_or_folder_that_is_not_there_is_named(bucket: str, near: Home) -> None:
    for url in (f"{bucket}x", "s3://no-such-bucket/shards", f"file://{near.root}/shards"):
        with pytest.raises(IbDataError, match=f"{url}: there is nothing; expected {url}/DATASET/SPLIT/manifest.json"):
            open_stream(near, MIXTURE, shards=url)


def test_a_protocol_that_nothing_here_reads_is_named(near: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IbDataError, match="sss://bucket: Protocol not known: sss"):
        store_of(near, "sss://bucket")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(MissingExtraError, match=r"s3://bucket: .*pip install 'ib-data\[s3\]'"):
        store_of(near, "s3://bucket")
