"""Builds over a damaged or unreadable manifest."""

import errno
from pathlib import Path

import pytest
from official import lay_vqav2


@pytest.fixture
def source(cli, home, tmp_path: Path) -> Path:
    """The official files of VQAv2, and a home in which they are built."""
    folder = lay_vqav2(tmp_path / "source")
    assert cli("build", "vqav2", "--source", folder, "--home", home.root).code == 0
    return folder


def test_a_damaged_manifest_is_one_line_and_built_again(cli, home, source) -> None:
    manifest = home.split("vqav2", "train") / "manifest.json"
    whole = manifest.read_bytes()
    harms = (
        b"\xff\xfe",
        b"{",
        b"{}",
        whole.replace(b'"train"', b'"test"'),
        whole.replace(b'"recipe"', b'"recipes"'),
        None,
    )
    for data in harms:
        manifest.unlink()
        manifest.write_bytes(data) if data is not None else manifest.mkdir()
        for verb, code in ((("list",), 0), (("check", "vqav2"), 1)):
            result = cli(*verb, "--home", home.root)
            assert result.code == code
            assert result.err.count("\n") == 1
        assert "differ from their manifest" in result.err
        assert "build the splits listed above again" in result.err
        assert f"delete {manifest.parent} and build again" in result.out
        result = cli("build", "vqav2", "--source", source, "--home", home.root)
        assert result.code == 0
        assert result.err.startswith(f"vqav2: {manifest}: ")
        assert "; building again" in result.err.splitlines()[0]
        assert manifest.read_bytes() == whole
        assert cli("check", "vqav2", "--home", home.root).code == 0


def test_the_miniature_does_not_replace_a_damaged_build(cli, home, source) -> None:
    manifest = home.split("vqav2", "train") / "manifest.json"
    manifest.write_bytes(b"{")
    result = cli("build", "vqav2", "--mini", "--no-media", "--workers", 1, "--split", "train", "--home", home.root)
    assert result.code == 1
    assert result.err.endswith(f"; delete {manifest.parent} and build again\n")
    assert manifest.read_bytes() == b"{"


def test_a_damaged_manifest_of_another_split_does_not_stop_a_build(cli, home, source) -> None:
    other = home.split("vqav2", "validation") / "manifest.json"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"{")
    assert cli("build", "vqav2", "--split", "train", "--source", source, "--home", home.root).code == 0


def test_an_unreadable_manifest_is_neither_deleted_nor_replaced(cli, home, source, monkeypatch) -> None:
    manifest, real = home.split("vqav2", "train") / "manifest.json", Path.read_bytes
    whole = manifest.read_bytes()

    def failing(self: Path) -> bytes:
        if self == manifest:
            raise OSError(errno.EIO, "Input/output error", str(self))
        return real(self)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", failing)
        line = f"vqav2: {manifest}: cannot be read: Input/output error; try again, and look at the disk\n"
        result = cli("list", "--home", home.root)
        assert (result.code, result.err) == (0, line)
        result = cli("build", "vqav2", "--source", source, "--home", home.root)
        assert (result.code, result.err) == (1, f"ib-data: {line}")
    assert manifest.read_bytes() == whole
