"""Archives in practice: repacked, joined, compressed in every way, read out of order, replaced or damaged."""

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ib_data.builders.source.archives import unpacking
from ib_data.builders.source.archives.archive import Archive
from ib_data.errors import DataError

PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "a.tar": bytes,
    "a.tar.gz": gzip.compress,
    "a.tgz": gzip.compress,
    "a.tar.bz2": bz2.compress,
    "a.tar.xz": lzma.compress,
}


def tar_of(*members: tuple[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def zip_of(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members:
            file.writestr(name, data)
    return out.getvalue()


def opened(folder: Path, name: str, data: bytes) -> Archive:
    (folder / name).write_bytes(data)
    return Archive(folder / name, "toy")


@pytest.mark.parametrize("name", PACKINGS)
def test_members_are_read_in_any_order(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_SPACING_BYTES", 1000)
    monkeypatch.setattr(unpacking, "_PACKED_BYTES", 512)
    monkeypatch.setattr(unpacking, "MAX_POINTS", 8)
    draw = random.Random(1)
    expected = {f"x/{i}.json": draw.randbytes(draw.randrange(3000)) for i in range(40)}
    found = opened(tmp_path, name, PACKINGS[name](tar_of(*expected.items())))
    assert found.members == {member: len(data) for member, data in expected.items()}
    for member in draw.sample(sorted(expected), len(expected)):
        assert found.read(member) == expected[member]
        with found.open(member) as stream:
            assert stream.read(7) + stream.read() == expected[member]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_seeking_back_in_a_packed_tar_does_not_unpack_from_the_start(tmp_path: Path, monkeypatch) -> None:
    draw = random.Random(1)
    expected = {f"{i}.jpg": draw.randbytes(20_000) for i in range(200)}
    found = opened(tmp_path, "a.tar.gz", gzip.compress(tar_of(*expected.items()), 1))
    assert list(found.members) == list(expected)
    unpacked = 0
    keep_state = unpacking.GzipReader._keep_state

    def counts(self: unpacking.GzipReader) -> None:
        nonlocal unpacked
        unpacked += len(self._piece)
        keep_state(self)

    monkeypatch.setattr(unpacking.GzipReader, "_keep_state", counts)
    for member in reversed(expected):
        assert found.read(member) == expected[member]
    assert unpacked < 8 * sum(map(len, expected.values()))


@pytest.mark.parametrize("written", ["./x/y.json", "x\\y.json", ".\\x\\y.json", "x//y.json", "./x/./y.json"])
def test_member_names_are_normalised(tmp_path: Path, written: str) -> None:
    folders = ("./", b""), ("x\\", b"")
    tar, zipped = tar_of((written, b"[1]")), zip_of(*folders, (written, b"[1]"))
    for found in (opened(tmp_path, "a.tar.gz", gzip.compress(tar)), opened(tmp_path, "a.zip", zipped)):
        assert found.members == {"x/y.json": 3}
        assert found.read("x/y.json") == found.read(written) == b"[1]"
        assert found.checksum("./x/y.json") == found.checksum(written)


@pytest.mark.parametrize("make", [tar_of, zip_of])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_with_the_same_name_must_be_equal(tmp_path: Path, make) -> None:
    name = "a.zip" if make is zip_of else "a.tar"
    equal = opened(tmp_path, name, make(("x.json", b"[1]"), ("./x.json", b"[1]"), ("x.json", b"[1]")))
    assert equal.members == {"x.json": 3}
    assert equal.read("x.json") == b"[1]"
    for other in (b"[2]", b"[1, 2]"):
        with pytest.raises(DataError, match=r"members 'x.json' and '\./x.json' have the same name but different bytes"):
            opened(tmp_path, name, make(("x.json", b"[1]"), ("./x.json", other))).read("x.json")
        with pytest.raises(DataError, match=r"holds member 'x.json' twice, with different bytes"):
            opened(tmp_path, name, make(("x.json", b"[1]"), ("x.json", other))).read("x.json")


@pytest.mark.parametrize("name", PACKINGS)
def test_joined_tars_are_read_to_the_end(tmp_path: Path, name: str) -> None:
    one, two = tar_of(("a.json", b"1")), tar_of(("b.json", b"22"), form=tarfile.PAX_FORMAT)
    joined = opened(tmp_path, name, PACKINGS[name](one) + PACKINGS[name](two))
    assert joined.members == {"a.json": 1, "b.json": 2}
    assert joined.read("b.json") + joined.read("a.json") == b"221"


def test_trailing_bytes_and_a_missing_end_mark_are_noted(tmp_path: Path, capsys) -> None:
    whole = tar_of(("a.json", b"1"))
    assert opened(tmp_path, "a.tar", whole + b"a signature of some kind").members == {"a.json": 1}
    assert "from byte 10,240, are not a tar archive and are not read" in capsys.readouterr().err
    assert opened(tmp_path, "b.tar", whole[:1024]).members == {"a.json": 1}
    assert "b.tar: has no end mark; it may be cut short" in capsys.readouterr().err


@pytest.mark.parametrize("damage", [b"x", b"\0\0\0\0\0\0\0\0x"])
def test_a_damaged_header_is_not_the_end_of_a_tar(tmp_path: Path, damage: bytes) -> None:
    data = bytearray(tar_of(("a.json", b"1"), ("b.json", b"22")))
    data[1024 + 148 : 1024 + 148 + len(damage)] = damage  # the checksum in the header of the second member
    with pytest.raises(DataError, match=r"damaged or cut short .no member header at byte 1,024"):
        opened(tmp_path, "a.tar", bytes(data)).read("a.json")


def test_a_tar_cut_in_a_header_or_member_is_an_error(tmp_path: Path) -> None:
    data = tar_of(("a.json", b"1"), ("b.json", b"22" * 1000))
    for at in (1024 + 100, 1024 + 512 + 700):
        for name, pack in PACKINGS.items():
            with pytest.raises(DataError, match="damaged or cut short"):
                opened(tmp_path, name, pack(data[:at])).read("a.json")


def test_a_flipped_bit_anywhere_in_a_packed_tar_is_found_when_it_is_opened(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(tar_of(("a.json", random.Random(1).randbytes(3000))), 1))
    data[1500] ^= 1
    with pytest.raises(DataError, match="damaged or cut short"):
        opened(tmp_path, "a.tar.gz", bytes(data)).members  # noqa: B018


def test_a_header_of_negative_or_absurd_size_neither_hangs_nor_fills_the_memory(tmp_path: Path) -> None:
    for kind, size in ((tarfile.REGTYPE, -512), (tarfile.GNUTYPE_LONGNAME, 1 << 33), (tarfile.XHDTYPE, -1024)):
        head = bytearray(tarfile.TarInfo("a.json").tobuf(tarfile.GNU_FORMAT))
        head[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
        head[156:157] = kind
        head[148:156] = b" " * 8
        head[148:156] = b"%06o\0 " % sum(head)
        with pytest.raises(DataError, match=r"damaged or cut short .a header"):
            opened(tmp_path, "a.tar", tar_of(("0.json", b"1"))[:1024] + bytes(head) + bytes(2048)).read("0.json")


def sparse(**fields: bytes) -> bytes:
    """A tar of one member with pax fields of a sparse file."""
    lines = b""
    for field, value in fields.items():
        body = b" " + field.replace("_", ".").encode() + b"=" + value + b"\n"
        length = next(n for n in range(99) if n == len(str(n)) + len(body))
        lines += str(length).encode() + body
    head, member = tarfile.TarInfo("p"), tarfile.TarInfo("x.json")
    head.type, head.size, member.size = tarfile.XHDTYPE, len(lines), 512
    blocks = head.tobuf(tarfile.USTAR_FORMAT), lines.ljust(512, b"\0"), member.tobuf(tarfile.USTAR_FORMAT)
    return b"".join(blocks) + bytes(1536)


def not_utf8(data: bytes) -> bytes:
    changed, at = bytearray(data), data.index(b"PK\1\2")
    changed[at + 9] |= 8
    changed[at + 46] = 0xFF
    return bytes(changed)


def nameless(data: bytes) -> bytes:
    changed, at = bytearray(data), data.index(b"PK\1\2")
    num_bytes = struct.unpack_from("<H", data, at + 28)[0]
    struct.pack_into("<H", changed, at + 28, 0)
    del changed[at + 46 : at + 46 + num_bytes]
    struct.pack_into("<I", changed, changed.index(b"PK\5\6") + 12, 46)
    return bytes(changed)


def damaged(data: bytes) -> bytes:
    return data[:100] + b"\xff" * 50 + data[150:]


NOISE = ("x.json", random.Random(1).randbytes(3000))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("not_utf8.zip", not_utf8(zip_of(NOISE))),
        ("nameless.zip", nameless(zip_of(NOISE))),
        ("lzma.zip", damaged(zip_of(NOISE, method=zipfile.ZIP_LZMA))),
        ("bzip2.zip", damaged(zip_of(NOISE, method=zipfile.ZIP_BZIP2))),
        ("size.tar", sparse(GNU_sparse_size=b"zz")),
        ("map.tar", sparse(GNU_sparse_map=b"0,abc")),
        ("version.tar", sparse(GNU_sparse_major=b"1", GNU_sparse_minor=b"0")),
        ("sound_sparse.tar", sparse(GNU_sparse_map=b"0,512", GNU_sparse_size=b"512")),
        *((packing, damaged(pack(tar_of(NOISE)))) for packing, pack in PACKINGS.items()),
        ("folder.zip", b""),
    ],
)
def test_parser_errors_become_one_line(tmp_path: Path, name: str, data: bytes) -> None:
    with pytest.raises(DataError, match=r"^toy: /.*(damaged or cut short|without a name).*fetch it again$") as raised:
        opened(tmp_path, name, data).read("x.json")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["a.zip", *PACKINGS])
def test_damaged_archives_give_members_or_one_line(tmp_path: Path, name: str) -> None:
    """Some hundred mutations of a small archive: never another error, never a hang."""
    whole = zip_of(NOISE, ("y.json", b"[]")) if name == "a.zip" else PACKINGS[name](tar_of(NOISE, ("y.json", b"[]")))
    draw = random.Random(name)
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.choice((0, 0x80, 0xFF))
        try:
            found = opened(tmp_path, name, bytes(data))
            for member in found.members:
                found.read(member)
        except DataError:
            pass


def test_a_missing_archive_or_a_folder_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.zip").mkdir()
    for name, reason in (("a.zip", "Is a directory"), ("b.tar", "No such file or directory")):
        with pytest.raises(DataError, match=rf"{name}: cannot be read \({reason}"):
            Archive(tmp_path / name, "toy").read("x.json")


@pytest.mark.parametrize("name", ["a.zip", *PACKINGS])
def test_a_replaced_archive_with_equal_sizes_has_other_versions(tmp_path: Path, name: str) -> None:
    def version(data: bytes) -> str:
        members = ("x.json", data), ("y.json", b"[]")
        packed = zip_of(*members) if name == "a.zip" else PACKINGS[name](tar_of(*members))
        return opened(tmp_path, name, packed).version("x.json")

    assert version(b"[1]") == version(b"[1]") != version(b"[2]")


def test_a_missing_member_error_lists_what_is_there(tmp_path: Path) -> None:
    found = opened(tmp_path, "a.zip", zip_of(("x.json", b"1"), ("y.json", b"2")))
    with pytest.raises(DataError, match=r"holds no member 'z' .it holds 2 files, first 'x.json'.*another dataset"):
        found.read("z")


def test_an_error_of_the_reader_is_not_called_damage(tmp_path: Path) -> None:
    found = opened(tmp_path, "a.zip", zip_of(("x.json", b"1")))
    with pytest.raises(ValueError, match="mine"), found.open("x.json"):
        raise ValueError("mine")
