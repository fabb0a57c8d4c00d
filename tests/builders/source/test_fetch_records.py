"""Records beside a fetched file: damaged ones count as missing, and blocking files and folders are named."""

import hashlib
from pathlib import Path

import pytest

from ib_data.addresses import without_user
from ib_data.builders.miniature.server import serve
from ib_data.builders.source.web import fetcher as fetch
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.cards import SourceFile
from ib_data.console import Progress
from ib_data.errors import DataError

pytestmark = pytest.mark.usefixtures("no_catalog")

URL = "http://example.org/files/data.json"
BODY = b"[1, 2, 3]"
FILE = SourceFile(name="data.json", url=URL, role="questions")
NOISE = [b"", b"\n", b"\xff\xfe", b"\0" * 100, b"zz", b"0123 9 9\n", b'"one"\nnine\n', b"a\r\nX-Header: b"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "downloads" / "example.org" / "files").mkdir(parents=True)
    return tmp_path / "downloads" / "example.org" / "files" / "data.json"


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    mirrored = tmp_path / "mirror" / "example.org" / "files" / "data.json"
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(BODY)
    return Fetcher(downloads=tmp_path / "downloads", mirror=(tmp_path / "mirror").as_uri())


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("is_there", [False, True])
def test_a_damaged_record_is_rewritten(fetcher, place, noise: bytes, is_there: bool) -> None:
    record = place.with_name("data.json.sha256")
    record.write_bytes(noise)
    if is_there:
        place.write_bytes(BODY)
    assert fetcher.fetch(FILE, "toy").read_bytes() == BODY
    assert len(fetcher.sha256(FILE)) == 64
    assert record.read_text().split()[0] == fetcher.sha256(FILE)


@pytest.mark.parametrize("noise", NOISE)
def test_a_damaged_validator_restarts_the_file(fetcher, place, noise: bytes, tmp_path: Path) -> None:
    place.with_name("data.json.part").write_bytes(BODY[:4])
    place.with_name("data.json.part.validator").write_bytes(noise)
    with serve(tmp_path / "mirror") as address:
        assert Fetcher(downloads=fetcher.downloads, mirror=address).fetch(FILE, "toy").read_bytes() == BODY


def test_a_part_longer_than_its_file_restarts_it(fetcher, place, tmp_path: Path) -> None:
    place.with_name("data.json.part").write_bytes(BODY * 9)
    place.with_name("data.json.part.validator").write_text(f'"one"\n{len(BODY)}\n')
    with serve(tmp_path / "mirror") as address:
        assert Fetcher(downloads=fetcher.downloads, mirror=address).fetch(FILE, "toy").read_bytes() == BODY


def test_a_copy_from_a_folder_leaves_no_validator_of_a_host(fetcher, place, monkeypatch) -> None:
    """A copy that stops half-way must not be resumed as a part of the host's download."""
    place.with_name("data.json.part.validator").write_text('"one"\n9\n')

    def stops(_copying: Progress, _num_bytes: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "add", stops)
    with pytest.raises(KeyboardInterrupt):
        fetcher.fetch(FILE, "toy")
    assert not place.with_name("data.json.part.validator").exists()


@pytest.mark.parametrize("suffix", ["", ".part", ".sha256", ".lock", ".part.validator"])
def test_a_folder_where_a_file_belongs_is_named(fetcher, place, suffix: str, tmp_path: Path) -> None:
    in_the_way = place.with_name(f"data.json{suffix}")
    (in_the_way / "kept").mkdir(parents=True)
    with (
        serve(tmp_path / "mirror") as address,
        pytest.raises(DataError, match=rf"^toy: {place}: cannot be fetched: {place}\S* is a folder; move"),
    ):
        Fetcher(downloads=fetcher.downloads, mirror=address).fetch(FILE, "toy")
    assert (in_the_way / "kept").exists()


def test_a_file_where_a_folder_belongs_is_named(fetcher, place) -> None:
    place.parent.rmdir()
    place.parent.write_bytes(b"")
    with pytest.raises(DataError, match=rf"cannot be fetched: {place.parent} is not a folder"):
        fetcher.fetch(FILE, "toy")


def test_an_empty_file_does_not_count_as_fetched(fetcher, place) -> None:
    place.write_bytes(b"")
    assert fetcher.fetch(FILE, "toy").read_bytes() == BODY


def test_a_file_that_was_changed_after_it_was_fetched_is_named(fetcher, place, capsys) -> None:
    fetcher.fetch(FILE, "toy").write_bytes(b"changed by hand")
    assert fetcher.fetch(FILE, "toy") == place
    assert f"toy: {place} was changed after it was fetched" in capsys.readouterr().err
    fetcher.fetch(FILE, "toy")
    assert not capsys.readouterr().err


def test_a_changed_file_keeps_its_pinned_checksum(fetcher, place, capsys, tmp_path: Path) -> None:
    first = fetcher.fetch(FILE, "toy").read_bytes()
    pinned = fetcher.sha256(FILE)
    for words in (b"changed by hand", b"changed once more"):
        place.write_bytes(words)
        assert fetcher.fetch(FILE, "toy") == place
        assert fetcher.sha256(FILE) == hashlib.sha256(words).hexdigest()
        assert f"was {pinned})" in capsys.readouterr().err
    place.unlink()  # as the line says, to fetch it again
    assert fetcher.fetch(FILE, "toy").read_bytes() == first
    assert fetcher.sha256(FILE) == pinned
    place.write_bytes(b"changed by hand")
    fetcher.fetch(FILE, "toy").unlink()
    (tmp_path / "mirror" / "example.org" / "files" / "data.json").write_bytes(b"changed by hand")
    with pytest.raises(DataError, match=f"sha256 expected {pinned}"):
        fetcher.fetch(FILE, "toy")


def test_a_changed_file_is_hashed_once(fetcher, place, monkeypatch) -> None:
    fetcher.fetch(FILE, "toy").write_bytes(b"changed by hand")
    changed = fetcher.sha256(FILE)
    monkeypatch.setattr(fetch, "sha256_of", None)
    assert fetcher.sha256(FILE) == changed


def test_an_existing_copy_survives_a_bad_download(tmp_path: Path, fetcher, place) -> None:
    place.write_bytes(b"earlier")
    with pytest.raises(DataError, match=rf"the fetched file was deleted, an earlier copy is at {place}"):
        Fetcher(downloads=fetcher.downloads, mirror=fetcher.mirror, checksums={URL: "0" * 64}).fetch(FILE, "toy")
    assert place.read_bytes() == b"earlier"


PASSWORDS = ["user:secret@", "user:se/cret@", "user:s?cret#secret@", "secret@", "us@er:secret@"]


@pytest.mark.parametrize("user", PASSWORDS)
def test_a_password_in_an_address_is_not_shown(tmp_path: Path, user: str, monkeypatch) -> None:
    monkeypatch.setattr(fetch, "RETRIES", fetch.RETRIES.new(total=0))
    with pytest.raises(DataError) as raised:
        Fetcher(downloads=tmp_path, mirror=f"http://{user}127.0.0.1:9/m").fetch(FILE, "toy")
    assert "cret" not in str(raised.value)
    assert "127.0.0.1:9/m/example.org/files/data.json" in str(raised.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_an_invalid_mirror_address_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"toy: http://\[::1/m/example\S+: is not a valid address .*; check --mirror"):
        Fetcher(downloads=tmp_path, mirror="http://user:secret@[::1/m").fetch(FILE, "toy")


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8080/a@b",
        "https://host/@name/a.jpg",
        "http://[::1]:80/a@b",
        "toy: https://example.org?mail=a@b: gone",
        "annotations[3]: a@b",
    ],
)
def test_addresses_without_passwords_are_shown(text: str) -> None:
    assert without_user(text) == text
