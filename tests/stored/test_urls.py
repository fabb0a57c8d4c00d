"""Addresses of object stores: wrong ones are named with what is expected, and no message shows a password."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from ib_data.addresses import without_secrets
from ib_data.errors import DataError, IbDataError
from ib_data.home import Home
from ib_data.mixtures.spec.built_members import sources
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.stream.stream import open_stream
from ib_data.stored.index import Extent
from ib_data.stored.manifest import read_manifest
from ib_data.stored.shard_reader import ShardReader
from ib_data.stored.store import Place, store_of

Build = Callable[..., Path]
MIXTURE = Mixture(name="tiny", rule="sqrt", members=(Member(dataset="vqav2", split="train", size=40),))
SECRET = "ftp://user:secret@127.0.0.1:1/x"


@pytest.fixture
def near(tmp_path: Path) -> Home:
    return Home(tmp_path / "near")


@pytest.mark.parametrize("url", ["", " ", "s3://", "s3:///", "file://", "file:///", "/"])
def test_a_url_that_names_no_place_is_refused(near: Home, url: str) -> None:
    with pytest.raises(IbDataError, match="names no folder of shards; expected a URL such as s3://BUCKET/PREFIX/shar"):
        store_of(near, url)


@pytest.mark.parametrize(
    ("of_shards", "found"), [("..", ".*shards"), ("vqav2", "train"), ("vqav2/train", "drops.parquet, index")]
)
def test_a_url_of_another_level_is_told_what_is_expected(
    tiny_home: Home, near: Home, of_shards: str, found: str
) -> None:
    url = f"file://{(tiny_home.root / 'shards' / of_shards).resolve()}"
    expected = f"{url}: found {found}.*; expected {url}/DATASET/SPLIT/manifest.json, as in a home's folder shards"
    with pytest.raises(IbDataError, match=expected):
        open_stream(near, MIXTURE, shards=url)


def test_a_bucket_one_level_too_high_is_told_what_is_expected(bucket: str, near: Home) -> None:
    above = bucket.removesuffix("/shards")
    with pytest.raises(IbDataError, match=f"{above}: found shards; expected {above}/DATASET/SPLIT/manifest.json"):
        open_stream(near, MIXTURE, shards=above)


def test_a_dataset_that_is_not_there_beside_others_is_only_not_built(bucket: str, near: Home) -> None:
    both = replace(MIXTURE, members=(*MIXTURE.members, Member(dataset="gqa", split="train", size=9)))
    assert {name: found.num_built for name, found in sources(store_of(near, bucket), both).items()} == {
        "vqav2": 40,
        "gqa": None,
    }


def test_a_plain_path_is_shown_as_it_was_given(tiny_home: Home, near: Home) -> None:
    path = str(tiny_home.root / "shards")
    store = store_of(near, path, 0)
    folder = store.folder("vqav2", "train")
    manifest = read_manifest(folder, "vqav2")
    assert manifest is not None
    nowhere = Extent(offset=10**9, num_bytes=1, json_offset=0, json_bytes=1)
    other = replace(manifest.shards[0], num_bytes=7, sha256="0" * 64)
    with pytest.raises(DataError, match=rf"vqav2: {path}/vqav2/train/\S+tar: expected 7 bytes as the manifest says"):
        store.ranges([Place(folder, other, nowhere)])
    (data,) = store.ranges([Place(folder, manifest.shards[0], nowhere)])
    assert data == b""
    with pytest.raises(
        DataError, match=rf"vqav2: {path}/vqav2/train/\S+tar: byte 1000000000: expected 1 bytes, the sh"
    ):
        ShardReader(store).read([Place(folder, manifest.shards[0], nowhere)])


def test_a_store_that_refuses_connections_is_one_line_without_its_password(near: Home) -> None:
    with pytest.raises(IbDataError) as caught:
        open_stream(near, MIXTURE, shards=SECRET)
    assert str(caught.value) == (
        "ftp://127.0.0.1:1/x: cannot be reached: ConnectionRefusedError: [Errno 111] Connection refused; "
        "look at the address, the credentials and the network"
    )


def test_a_library_that_prints_the_password_is_not_repeated(
    tiny_home: Home, near: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError(f"no answer from {SECRET}?X-Amz-Signature=abc (token)")

    monkeypatch.setattr(type(fsspec.filesystem("file")), "cat_file", fail)
    with pytest.raises(IbDataError, match=r"OSError: no answer from ftp://127.0.0.1:1/x\?\.\.\. \(token\); look"):
        store_of(near, str(tiny_home.root / "shards")).folder("vqav2", "train")


@pytest.mark.parametrize("url", ["sss://user:secret@host/x", "sss://user:secret@host"])
def test_a_protocol_that_is_not_known_is_named_without_the_password(near: Home, url: str) -> None:
    with pytest.raises(IbDataError, match=r"^sss://host.*Protocol not known: sss$"):
        store_of(near, url)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (SECRET, "ftp://127.0.0.1:1/x"),
        ("ftp://us@er:se@cret@host/a@b", "ftp://host/a@b"),
        ("simplecache::ftp://user:secret@host/x", "simplecache::ftp://host/x"),
        ("https://host/x?sig=abc&se=1", "https://host/x?..."),
        ("s3://bucket/a b", "s3://bucket/a b"),
        ("/data/shards", "/data/shards"),
        ("what? no url", "what? no url"),
    ],
)
def test_secrets_are_cut_from_urls_and_messages(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_a_negative_cache_is_refused(near: Home) -> None:
    for url in (None, "/data/shards"):
        with pytest.raises(IbDataError, match="cache_bytes: expected 0 or more, found -1"):
            store_of(near, url, -1)
