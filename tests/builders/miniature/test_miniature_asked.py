"""The miniature draws only what is requested, adds missing files later, and trusts only its record."""

from pathlib import Path

import pytest

from ib_data.builders.miniature import write_mirror
from ib_data.builders.miniature.mirror import RECORD
from ib_data.cards import load_card, media_stores
from ib_data.errors import IbDataError

SIZE = 3


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The checksums of a whole small mirror."""
    return write_mirror(tmp_path_factory.mktemp("whole") / "mirror", num_images=SIZE)


def urls_of(name: str) -> set[str]:
    card = load_card(name)
    stores = [media_stores()[store] for store in card.media]
    return {file.url for file in card.files} | {store.file.url for store in stores if store.file and not store.each}


def files_in(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.name != RECORD}


def test_only_the_files_of_the_asked_datasets_are_drawn_and_later_ones_are_added(tmp_path, whole) -> None:
    folder, told = tmp_path / "mirror", []
    first = write_mirror(folder, num_images=SIZE, datasets=["vsr"], tell=told.append)
    assert set(first) == urls_of("vsr")
    assert len(files_in(folder)) == len(first) == 5
    assert told == ["drawing the miniature: 5 official files of vsr"]
    before = {path: (folder / path).stat().st_mtime_ns for path in files_in(folder)}
    second = write_mirror(folder, num_images=SIZE, datasets=["nocaps", "okvqa", "vsr"], tell=told.append)
    assert set(second) == urls_of("vsr") | urls_of("okvqa") | urls_of("nocaps")
    assert second.items() <= whole.items()  # the same bytes as in a mirror of everything
    assert {path: (folder / path).stat().st_mtime_ns for path in before} == before
    assert len(list(folder.glob("open-images-dataset*/**/*.jpg"))) == 4
    assert write_mirror(folder, num_images=SIZE, datasets=["vsr"], tell=told.append) == second
    assert len(told) == 2  # nothing was drawn the third time


def test_a_shared_file_is_drawn_with_all_its_datasets(tmp_path, whole) -> None:
    found = write_mirror(tmp_path / "mirror", num_images=SIZE, datasets=["flickr30k", "textcaps"])
    assert found.items() <= whole.items()
    karpathy = load_card("flickr30k").files[0].url
    assert karpathy in {file.url for file in load_card("coco_caption").files}
    assert karpathy in found


def test_without_media_only_annotation_files_are_drawn(tmp_path, whole) -> None:
    found = write_mirror(tmp_path / "mirror", num_images=SIZE, datasets=["vsr", "nocaps"], with_media=False)
    assert set(found) == {file.url for name in ("vsr", "nocaps") for file in load_card(name).files}
    found = write_mirror(tmp_path / "mirror", num_images=SIZE, datasets=["vsr"])
    assert found.items() <= whole.items()
    assert set(found) >= urls_of("vsr")


def test_files_missing_in_the_record_are_drawn_again(tmp_path, monkeypatch) -> None:
    """As after a kill between the last file and the record: the file in place is cut short, and nobody says so."""
    folder = tmp_path / "mirror"
    write_mirror(folder, num_images=SIZE, datasets=["vsr"])
    record = (folder / RECORD).read_bytes()
    after = write_mirror(folder, num_images=SIZE, datasets=["vsr", "okvqa"])
    place = folder / load_card("okvqa").files[0].place
    whole = place.read_bytes()
    place.write_bytes(whole[:10])
    (folder / RECORD).write_bytes(record)
    assert write_mirror(folder, num_images=SIZE, datasets=["vsr", "okvqa"]) == after
    assert place.read_bytes() == whole


def test_a_dataset_that_is_not_in_the_miniature_is_named(tmp_path) -> None:
    with pytest.raises(IbDataError, match="birds has no miniature writer; build it from its own files with --source"):
        write_mirror(tmp_path / "mirror", num_images=SIZE, datasets=["birds"])
    assert not (tmp_path / "mirror").exists()


def test_the_command_draws_only_what_it_builds(cli, home, no_catalog) -> None:
    result = cli("build", "vsr", "--mini", "--mini-size", SIZE, "--no-media", "--split", "test", "--home", home.root)
    assert result.code == 0, result.err
    assert "drawing" not in result.err
    assert not list(home.miniature.rglob("*.zip"))
    result = cli("build", "vsr", "--mini", "--mini-size", SIZE, "--split", "test", "--home", home.root)
    assert result.code == 0, result.err
    assert result.err.startswith("drawing the miniature: 2 official files of vsr\n")
