"""Shards on a web server: one that lists no folders, gives no ranges, or fails."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from far_shards import places_of

from ib_data.errors import DataError, IbDataError
from ib_data.home import Home
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.stream.stream import open_stream
from ib_data.stored.shard_reader import ShardReader
from ib_data.stored.store import store_of

pytest.importorskip("aiohttp")
VQAV2 = Member(dataset="vqav2", split="train", size=40)
MIXTURE = Mixture(name="tiny", rule="sqrt", members=(VQAV2,))
SHARD = "vqav2-train-000000.tar"


@dataclass
class Web:
    """A server of one folder; `fails` are endings of paths that it answers with 500."""

    url: str
    fails: list[str] = field(default_factory=list)


@pytest.fixture
def web(far: Home) -> Iterator[Web]:
    found = Web("")

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(far.root))

        def send_head(self) -> Any:
            if any(self.path.endswith(name) for name in found.fails):
                return self.send_error(500)
            return super().send_head()

        def list_directory(self, path: Any) -> Any:
            return self.send_error(403)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/shards"
        Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


@pytest.fixture
def near(tmp_path: Path) -> Home:
    return Home(tmp_path / "near")


def test_a_member_that_is_not_there_may_be_left_out_where_nothing_is_listed(
    web: Web, near: Home, far: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    both = Mixture(name="both", rule="sqrt", members=(Member(dataset="gqa", split="train", size=9), VQAV2))
    stream = open_stream(near, both, available=True, shards=web.url)
    assert "left out because not in the object store: gqa" in capsys.readouterr().err
    assert [e.annotation for e in stream.batch(0, 50)] == [e.annotation for e in open_stream(far, MIXTURE).batch(0, 50)]


def test_a_server_that_fails_is_not_taken_for_a_missing_file(web: Web, near: Home) -> None:
    store = store_of(near, web.url)
    places = places_of(store, near.cache)
    web.fails.append(SHARD)
    with pytest.raises(
        DataError, match=rf"vqav2: {web.url}/vqav2/train/{SHARD}: cannot be read: ClientResponseError: 500"
    ):
        ShardReader(store).read(places)
    web.fails[:] = ["manifest.json"]
    with pytest.raises(DataError, match=r"manifest\.json: cannot be read: ClientResponseError: 500"):
        open_stream(near, MIXTURE, shards=web.url)


def test_a_server_that_is_gone_is_not_taken_for_a_missing_file(far: Home, web: Web, near: Home) -> None:
    store = store_of(near, web.url)
    places = places_of(store, near.cache)
    store.url = "http://127.0.0.1:1/shards"  # type: ignore[attr-defined]
    store._connection = None  # type: ignore[attr-defined]
    with pytest.raises(DataError, match=f"{SHARD}: cannot be read: ClientConnectorError.*the network"):
        ShardReader(store).read(places)


def test_a_missing_shard_is_said_to_be_missing(far: Home, web: Web, near: Home) -> None:
    store = store_of(near, web.url)
    places = places_of(store, near.cache)
    (far.split("vqav2", "train") / SHARD).unlink()
    with pytest.raises(DataError, match=f"{SHARD}: is missing in the object store; upload the split again"):
        ShardReader(store).read(places)


def test_a_server_without_ranges_serves_whole_shards_only(web: Web, near: Home) -> None:
    whole = store_of(near, web.url)
    assert len(ShardReader(whole).read(places_of(whole, near.cache))) == 40
    parts = store_of(near, web.url, 0)
    says = (
        rf"vqav2: {web.url}/vqav2/train/{SHARD}: asked for a range of [\d,]+ bytes, and was given 20,480; .*no ranges"
    )
    with pytest.raises(DataError, match=says):
        ShardReader(parts).read(places_of(parts, near.cache))


def test_other_bytes_read_by_range_are_said_with_their_address(far: Home, near: Home) -> None:
    url = f"file://{far.root}/shards"
    stream = open_stream(near, MIXTURE, shards=url, cache_bytes=0)
    for shard in far.split("vqav2", "train").glob("*.tar"):
        shard.write_bytes(bytes(shard.stat().st_size))
    says = (
        rf"vqav2: {url}/vqav2/train/\S+tar: byte \d+: expected a member .*: upload the split again, manifest.json last"
    )
    with pytest.raises(DataError, match=says):
        stream.batch(0, 8)


def test_a_home_that_cannot_be_written_is_one_line(web: Web, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IbDataError, match=r"cannot be a home: .* is not a folder; choose another home"):
        open_stream(Home(tmp_path / "file"), MIXTURE, shards=web.url)
