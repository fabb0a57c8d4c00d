"""Archives are read in place, and unsafe ones are rejected."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from ib_data.builders.source.archives import unpacking
from ib_data.builders.source.archives.archive import Archive
from ib_data.errors import DataError


def make_zip(path: Path, members: dict[str, bytes], **info: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            for key, value in info.items():
                setattr(entry, key, value)
            out.writestr(entry, data)
    return path


def make_tar(path: Path, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as out:
        entry = tarfile.TarInfo(name)
        entry.type, entry.size, entry.linkname = kind, len(data), "/etc/passwd"
        out.addfile(entry, io.BytesIO(data))
    return path


def test_members_are_read_without_unpacking(tmp_path: Path) -> None:
    for path in (
        make_zip(tmp_path / "a.zip", {"x/y.json": b"[1]"}),
        make_tar(tmp_path / "a.tar.gz", "x/y.json", b"[1]"),
    ):
        opened = Archive(path, "toy")
        assert opened.members == {"x/y.json": 3}
        assert opened.read("x/y.json") == b"[1]"
        with pytest.raises(DataError, match="holds no member 'z'"):
            opened.read("z")
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "a.tar.gz"}


@pytest.mark.parametrize("name", ["../out.json", "/etc/out.json", "a/../../out.json", "..\\out.json", "C:/out.json"])
def test_a_member_name_outside_the_archive_is_an_error(tmp_path: Path, name: str) -> None:
    for path in (make_zip(tmp_path / "a.zip", {name: b"1"}), make_tar(tmp_path / "a.tar.gz", name, b"1")):
        with pytest.raises(DataError, match="climbs out of the archive"):
            Archive(path, "toy").read(name)


def test_links_and_devices_are_errors(tmp_path: Path) -> None:
    linked = make_zip(tmp_path / "a.zip", {"link": b"/etc/passwd"}, external_attr=0o120777 << 16, create_system=3)
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)
    tars = [make_tar(tmp_path / f"{i}.tar.gz", "link", kind=kind) for i, kind in enumerate(kinds)]
    for path in (linked, *tars):
        with pytest.raises(DataError, match="is a link or a device"):
            Archive(path, "toy").read("link")


def test_a_size_bomb_is_rejected_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "EXPANSION_FREE_BYTES", 1 << 20)
    zeros = b"\0" * (4 << 20)
    for path in (make_zip(tmp_path / "a.zip", {"bomb": zeros}), make_tar(tmp_path / "a.tar.gz", "bomb", zeros)):
        with pytest.raises(DataError, match="size bomb"):
            Archive(path, "toy").read("bomb")


def test_an_archive_cut_short_or_damaged_is_one_line(tmp_path: Path) -> None:
    whole = make_zip(tmp_path / "a.zip", {"x.json": bytes(range(256)) * 40})
    data = whole.read_bytes()
    for name, broken in {
        "cut.zip": data[: len(data) // 2],
        "empty.zip": b"",
        "page.zip": b"<html>not here</html>",
        "flipped.zip": data[:60] + bytes([data[60] ^ 0xFF]) + data[61:],
    }.items():
        path = tmp_path / name
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"^toy: .*is damaged or cut short .*fetch it again$"):
            Archive(path, "toy").read("x.json")
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(make_tar(tmp_path / "b.tar.gz", "x.json", bytes(range(256)) * 40).read_bytes()[:200])
    with pytest.raises(DataError, match="damaged or cut short"):
        Archive(cut, "toy").read("x.json")
