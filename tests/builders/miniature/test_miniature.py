"""The miniature's files and images: the same bytes from the same seed, in official places and formats."""

import hashlib
import io
import tarfile
import zipfile
from collections import Counter

import pytest
from mini_mirror import WORLD, content, place
from PIL import Image, ImageStat

from ib_data.builders.miniature import write_mirror
from ib_data.builders.miniature.mirror import DATASETS, MEDIA, RECORD, _files, _stores
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import ALL_COLOURS, GRID
from ib_data.cards import SourceFile, load_card, media_stores


def official_files() -> list[SourceFile]:
    """Every file that the miniature mirrors, archives of media included (once a member)."""
    return _files(DATASETS, _stores(DATASETS))


def test_every_official_file_is_there_with_the_returned_checksum(folder):
    checksums = write_mirror(folder)
    wanted = {file.url for file in official_files()}
    for name in ("coco_caption", "vqav2", "okvqa", "aokvqa", "vsr"):
        card = load_card(name)
        wanted |= {f.url for f in card.files} | {media_stores()[store].file.url for store in card.media}
    assert set(checksums) == wanted
    files = {file.url: file for file in official_files()}
    for url, sha256 in checksums.items():
        assert hashlib.sha256((folder / files[url].place).read_bytes()).hexdigest() == sha256
    singles = {url for name, media in MEDIA.items() if media_stores()[name].each for url, _ in media(WORLD)}
    num_files = sum(path.is_file() for path in folder.rglob("*"))
    assert num_files == len(wanted) + len(singles) + 1  # and the record
    assert sum(path.stat().st_size for path in folder.rglob("*.zip")) < 8 * 1024**2


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(folder, tmp_path):
    again = write_mirror(tmp_path / "again")
    assert again == write_mirror(folder)
    other = write_mirror(tmp_path / "other", seed=1)
    assert not set(other.values()) & set(again.values())


def test_the_texts_are_pinned(folder):
    """A change of these bytes needs a new `mirror.VERSION`: homes hold miniatures of the old one."""
    found = {
        "vqav2": content(folder, "vqav2", "train", "answers"),
        "coco_caption": content(folder, "coco_caption", form="karpathy"),
        "aokvqa": content(folder, "aokvqa", "train"),
    }
    assert {name: hashlib.sha256(data).hexdigest()[:16] for name, data in found.items()} == {
        "vqav2": "68aa12392ab0ca1c",
        "coco_caption": "45299a8b99bb1760",
        "aokvqa": "30795aca5d46532d",
    }


def test_archives_have_no_times_and_owners(folder):
    files = {file.name: file for file in official_files()}
    for file in files.values():
        path = folder / file.place
        if path.name.endswith(".zip"):
            for info in zipfile.ZipFile(path).infolist():
                assert info.date_time == (1980, 1, 1, 0, 0, 0)
                assert (info.create_system, info.external_attr) == (3, 0o100644 << 16)
        if path.name.endswith(".tar.gz"):
            assert path.read_bytes()[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
            with tarfile.open(path) as tar:
                assert {(m.mtime, m.uid, m.mode, m.uname) for m in tar} == {(0, 0, 0o644, "")}


def test_a_second_call_writes_nothing(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    write_mirror(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("damage", ["no record", "broken record", "missing file", "short file", "half-written"])
def test_an_incomplete_mirror_is_rewritten(tmp_path, damage):
    folder = tmp_path / "mirror"
    whole = write_mirror(folder, num_images=4)
    victim = place(folder, load_card("vsr").files[0].url)
    if damage == "no record":
        (folder / RECORD).unlink()
    elif damage == "broken record":
        (folder / RECORD).write_text('{"recipe": ')
    elif damage == "missing file":
        victim.unlink()
    elif damage == "short file":
        victim.write_bytes(victim.read_bytes()[:-1])
    else:
        folder.rename(tmp_path / "mirror.part")
    assert write_mirror(folder, num_images=4) == whole
    assert all(place(folder, url).exists() for url in whole)
    assert not (tmp_path / "mirror.part").exists()


def test_another_size_replaces_the_mirror(tmp_path):
    small = write_mirror(tmp_path / "m", num_images=2)
    large = write_mirror(tmp_path / "m", num_images=9)
    assert small != large
    path = place(tmp_path / "m", media_stores()["coco_train2014"].file.url)
    assert len(zipfile.ZipFile(path).namelist()) == 9
    with pytest.raises(ValueError, match="at least 1"):
        write_mirror(tmp_path / "m", num_images=0)


@pytest.fixture(scope="module")
def photos(folder):
    """{store name: {member: bytes}}."""
    found = {}
    for name in WORLD.stores:
        archive = zipfile.ZipFile(place(folder, media_stores()[name].file.url))
        found[name] = {member: archive.read(member) for member in archive.namelist()}
    return found


def test_images_have_official_names_and_open(photos):
    modes, ratios = Counter(), set()
    for name, members in photos.items():
        ids = WORLD.stores[name]
        assert list(members) == [media_stores()[name].member(i) for i in ids]
        for image_id, data in zip(ids, members.values(), strict=True):
            scene = WORLD.scene(image_id)
            with Image.open(io.BytesIO(data)) as image:
                image.load()
                assert image.format == "JPEG"
                assert image.size == (scene.width, scene.height)
                modes[image.mode] += 1
                ratios.add(image.width > image.height)
    assert modes["RGB"] > modes["L"] > 0
    assert ratios == {True, False}


def test_2014_and_2017_share_images_as_in_coco(photos):
    ids = {name: set(found) for name, found in WORLD.stores.items()}
    assert ids["coco_train2017"] == (ids["coco_train2014"] | ids["coco_val2014"]) - ids["coco_val2017"]
    assert ids["coco_val2017"] < ids["coco_val2014"]
    assert ids["coco_test2017"] < ids["coco_test2015"]
    assert not ids["coco_train2014"] & ids["coco_val2014"]
    assert all(100_000 <= i <= 581_929 for found in ids.values() for i in found)
    stores = media_stores()
    for image_id in ids["coco_train2017"] & ids["coco_train2014"]:
        old, new = stores["coco_train2014"].member(image_id), stores["coco_train2017"].member(image_id)
        assert photos["coco_train2014"][old] == photos["coco_train2017"][new]


def test_a_drawn_shape_has_its_colour_where_the_scene_says(photos):
    store = media_stores()["coco_train2014"]
    for image_id in WORLD.stores["coco_train2014"]:
        scene = WORLD.scene(image_id)
        image = Image.open(io.BytesIO(photos["coco_train2014"][store.member(image_id)])).convert("RGB")
        for shape in scene.shapes:
            x = (2 * shape.column + 1) * (scene.width // GRID) // 2
            y = (2 * shape.row + 1) * (scene.height // GRID) // 2
            middle = ImageStat.Stat(image.crop((x - 3, y - 3, x + 3, y + 3))).mean
            if scene.is_greyscale:
                middle = [middle[0]] * 3
            nearest = min(
                ALL_COLOURS, key=lambda c: sum((a - b) ** 2 for a, b in zip(middle, ALL_COLOURS[c], strict=True))
            )
            assert nearest == shape.colour


def test_a_large_miniature_has_unique_image_ids():
    population = Population(seed=3, num_images=100_000)
    ids = population._ids(175_000)
    assert len(set(ids)) == 175_000
    assert min(ids) >= 100_000
    assert max(ids) <= 581_929
