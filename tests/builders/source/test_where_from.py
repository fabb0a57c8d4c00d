"""Where images and annotation files of a build come from when there are several candidates."""

import shutil

import pytest
from official import build, lay, lay_vqav2, photo, samples
from sources_of import RIGHT, WRONG, gqa, images, put, put_zip, vsr

from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.media_folders import OfficialPlaces
from ib_data.cards import card_names, load_card, media_stores
from ib_data.errors import DataError, IbDataError
from ib_data.home import MARKER

pytestmark = pytest.mark.usefixtures("no_catalog")

# The id of an image of every store that has a folder or an archive of its own.
IDS = {"scienceqa": "test/5/image.png", "iconqa": "choose_txt/1", "ocrvqa_covers": "7.jpg", "hateful": "00127"}


# --- an archive goes before loose files, and a loose file counts in its official folder only


def test_an_archive_is_preferred_to_a_loose_file_elsewhere(home, tmp_path) -> None:
    put(vsr(tmp_path / "s", 1) / "depth_maps" / "000000000001.jpg", WRONG)
    put_zip(tmp_path / "s" / "train2017.zip", {"train2017/000000000001.jpg": RIGHT})
    build(home, tmp_path / "s", name="vsr", split="test")
    assert images(home, "vsr", "test") == {"train2017/000000000001.jpg": RIGHT}


@pytest.mark.parametrize("folder", ["ocr_vqa/images", "OCR-VQA/images", "clevr/images", "flickr30k-images", "photos"])
def test_an_image_of_another_folder_is_missing_and_named(home, tmp_path, folder: str) -> None:
    source = gqa(tmp_path / "s", "1", "2")
    put(source / "gqa" / "images" / "1.jpg", RIGHT)
    put(source / folder / "2.jpg", WRONG)
    with pytest.raises(DataError, match=r"1 of 2 images are missing .* first images/2\.jpg") as caught:
        build(home, source, name="gqa", split="test")
    assert f"not in its official folder, so not used: {source / folder / '2.jpg'}" in str(caught.value)


@pytest.mark.parametrize("folder", ["gqa/images", "GQA/data/images", "images", "data/images"])
def test_an_image_counts_in_its_official_folder(home, tmp_path, folder: str) -> None:
    put(gqa(tmp_path / "s", "1") / folder / "1.jpg", RIGHT)
    build(home, tmp_path / "s", name="gqa", split="test")
    assert images(home, "gqa", "test") == {"images/1.jpg": RIGHT}


def test_an_image_counts_if_source_is_its_official_folder(cli, home, tmp_path) -> None:
    source = gqa(tmp_path / "rows", "1")
    put(tmp_path / "my_photos" / "1.jpg", RIGHT)
    given = ("--source", source, "--source", tmp_path / "my_photos")
    assert cli("build", "gqa", *given, "--home", home.root).code == 0
    assert images(home, "gqa", "test") == {"images/1.jpg": RIGHT}


@pytest.mark.parametrize("name", ["ocr_vqa/images", "flickr30k-images", "train2017"])
def test_another_datasets_folder_does_not_count_even_if_given(cli, home, tmp_path, name) -> None:
    put(gqa(tmp_path / "s", "1") / "gqa" / "images" / "9.jpg", RIGHT)
    put(tmp_path / "t" / name / "1.jpg", WRONG)
    given = ("--source", tmp_path / "s", "--source", tmp_path / "t" / name)
    result = cli("build", "gqa", "--split", "test", *given, "--home", home.root)
    assert result.code == 1
    assert "1 of 1 images are missing" in result.err


def stores_with_a_folder() -> list[str]:
    return [name for name, store in media_stores().items() if not store.parts and name != "web_capfilt_images"]


@pytest.mark.parametrize("name", stores_with_a_folder())
def test_no_store_uses_a_file_in_an_unknown_folder(tmp_path, name: str) -> None:
    """Siblings in all datasets: masks, depth maps and thumbnails carry the names of the images they are made of."""
    store = media_stores()[name]
    image_id = next((i for part, i in IDS.items() if name.startswith(part)), 7)
    tail = store.tail(image_id)
    official = put(tmp_path.joinpath(*store.folder, tail), RIGHT)
    other = put(tmp_path / "masks_of_it" / tail, WRONG)
    (dataset, *_) = [card for card in card_names() if name in load_card(card).media] or ["msrvtt_qa"]
    places = OfficialPlaces(SourceFolders((tmp_path,)), dataset)
    depth = tail.count("/")
    assert places.is_folder_of(official.parents[depth], store)
    assert not places.is_folder_of(other.parents[depth], store)


def test_two_different_images_are_an_error_that_names_both(home, tmp_path) -> None:
    source = vsr(tmp_path / "s", 1)
    one = put(source / "a" / "train2017" / "000000000001.jpg", RIGHT)
    two = put(source / "b" / "train2017" / "000000000001.jpg", RIGHT)
    build(home, source, name="vsr", split="test")
    put(two, RIGHT[:-1] + b"x")  # of one size
    with pytest.raises(DataError, match="two different files of one image: ") as caught:
        build(home, source, name="vsr", split="test")
    assert str(one) in str(caught.value)
    assert str(two) in str(caught.value)


def test_an_archive_of_another_size_and_a_loose_image_must_agree(home, tmp_path) -> None:
    source = vsr(tmp_path / "s", 1)
    put(source / "train2017" / "000000000001.jpg", WRONG)
    put_zip(source / "train2017.zip", {"train2017/000000000001.jpg": RIGHT})
    with pytest.raises(DataError, match=r"two different files of one image: .*train2017\.zip:train2017/0+1\.jpg and "):
        build(home, source, name="vsr", split="test")


def test_an_empty_file_does_not_hide_a_good_one(home, tmp_path) -> None:
    source = vsr(tmp_path / "s", 1)
    put(source / "train2017" / "000000000001.jpg", b"")
    put_zip(source / "train2017.zip", {"train2017/000000000001.jpg": RIGHT})
    build(home, source, name="vsr", split="test")
    assert images(home, "vsr", "test") == {"train2017/000000000001.jpg": RIGHT}


def test_an_image_of_another_split_says_so(home, tmp_path) -> None:
    put(vsr(tmp_path / "s", 1) / "val2017" / "000000000001.jpg", WRONG)
    with pytest.raises(DataError, match=r"it is in coco_val2017, another split's: is the annotation file of another"):
        build(home, tmp_path / "s", name="vsr", split="test")


@pytest.mark.parametrize("folder", ["coco/depth/train2017", "train2017"])
def test_a_second_folder_does_not_fill_gaps_of_the_first(home, tmp_path, folder: str) -> None:
    source = vsr(tmp_path / "s", 1, 2)
    put(source / "coco" / "train2017" / "000000000001.jpg", RIGHT)
    put(source / folder / "000000000002.jpg", WRONG)
    with pytest.raises(DataError, match="images of coco_train2017 are in two folders, ") as caught:
        build(home, source, name="vsr", split="test")
    assert str(source / "coco" / "train2017") in str(caught.value)
    assert str(source / folder) in str(caught.value)


def test_two_folders_given_separately_are_joined(cli, home, tmp_path) -> None:
    vsr(tmp_path / "s", 1, 2)
    for number, disk in ((1, "one"), (2, "two")):
        put(tmp_path / disk / "train2017" / f"{number:012d}.jpg", photo(number))
    given = [word for name in ("s", "one", "two") for word in ("--source", tmp_path / name)]
    assert cli("build", "vsr", "--split", "test", *given, "--home", home.root).code == 0
    assert len(images(home, "vsr", "test")) == 2


def test_a_folder_of_other_images_under_the_datasets_folder_does_not_count(home, tmp_path) -> None:
    put(gqa(tmp_path / "s", "n1") / "gqa" / "depth" / "images" / "n1.jpg", WRONG)
    with pytest.raises(DataError, match=r"1 of 1 images are missing .*\(not in its official folder"):
        build(home, tmp_path / "s", name="gqa", split="test")


def test_images_in_a_folder_named_after_the_dataset_are_read(home, tmp_path) -> None:
    sentences = [{"raw": "A cat.", "sentid": 1}]
    image = {"filename": "100.jpg", "split": "test", "sentences": sentences, "imgid": 0, "sentids": [1]}
    lay(tmp_path / "s", "dataset_flickr30k.json", {"images": [image], "dataset": "flickr30k"})
    put(tmp_path / "s" / "flickr30k" / "Images" / "100.jpg", RIGHT)
    build(home, tmp_path / "s", name="flickr30k", split="test")
    assert images(home, "flickr30k", "test") == {"flickr30k-images/100.jpg": RIGHT}


@pytest.mark.parametrize("archive", [b"", b"PK cut short"])
def test_a_broken_archive_does_not_hide_a_good_folder(home, tmp_path, archive: bytes) -> None:
    source = vsr(tmp_path / "s", 1)
    put(source / "train2017.zip", archive)
    with pytest.raises(DataError, match=r"train2017\.zip: (the file is empty|is damaged or cut short)"):
        build(home, source, name="vsr", split="test")
    put(source / "train2017" / "000000000001.jpg", RIGHT)
    build(home, source, name="vsr", split="test")
    assert images(home, "vsr", "test") == {"train2017/000000000001.jpg": RIGHT}


# --- files of one tree stay together


def test_a_tree_and_its_images_stay_together(home, tmp_path) -> None:
    problem = {"question": "Which?", "choices": ["a", "b"], "answer": 0, "ques_type": "choose_txt"}
    for tree, shade, ids in (("a_clone", 10, (1,)), ("iconqa_data", 200, (1, 2, 3))):
        for number in ids:
            folder = tmp_path / "s" / tree / "iconqa" / "test" / "choose_txt" / str(number)
            lay(folder, "data.json", {**problem, "question": f"{tree} {number}?"})
            put(folder / "image.png", photo(shade))
    build(home, tmp_path / "s", name="iconqa", split="test")
    found = samples(home, "iconqa", "test")
    assert [sample.annotations[0].question for sample, _ in found] == [f"iconqa_data {i}?" for i in (1, 2, 3)]
    assert {data for _, data in found} == {photo(200)}


def test_two_equally_good_folders_that_differ_are_both_named(home, tmp_path) -> None:
    problem = {"question": "Which?", "choices": ["a", "b"], "answer": 0, "ques_type": "choose_txt"}
    for tree in ("one", "two"):
        lay(tmp_path / "s" / tree / "iconqa" / "test" / "choose_txt" / "1", "data.json", {**problem, "hint": tree})
    with pytest.raises(DataError, match=r"two different folders 'iconqa': .*one/iconqa and .*two/iconqa"):
        build(home, tmp_path / "s", name="iconqa", split="test", media=False)


# --- a home is never a source


def test_a_home_below_the_source_is_left_out(cli, home, tmp_path) -> None:
    assert cli("build", "vsr", "--mini", "--mini-size", 8, "--home", home.root).code == 0
    shutil.rmtree(home.root / "shards")
    put(vsr(tmp_path / "own", 1) / "train2017" / "000000000001.jpg", RIGHT)
    result = cli("build", "vsr", "--source", tmp_path, "--home", tmp_path / "another")
    assert result.code == 0, result.err
    assert "1 of 1,222 annotations" in result.out
    result = cli("build", "hateful_memes", "--source", tmp_path, "--home", home.root)
    assert result.code == 1
    assert "nothing of it: --source" in result.err


@pytest.mark.parametrize("inside", ["", "miniature/8/mirror", "shards"])
def test_a_home_as_source_is_an_error(home, inside: str) -> None:
    home.mark()
    (home.root / inside).mkdir(parents=True, exist_ok=True)
    with pytest.raises(IbDataError, match="is a home of ib-data and cannot be a source"):
        list(SourceFolders((home.root / inside,)).files())


def test_a_link_into_a_home_or_a_copied_miniature_is_not_a_source(cli, home, tmp_path) -> None:
    assert cli("build", "vsr", "--mini", "--mini-size", 8, "--home", home.root).code == 0
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "official").symlink_to(home.miniature / "8" / "downloads")
    shutil.copytree(home.miniature, tmp_path / "b" / "old")
    shutil.copytree(home.miniature / "8" / "mirror", tmp_path / "b" / "drawn")
    for folder in ("a", "b"):
        assert list(SourceFolders((tmp_path / folder,)).files()) == []
    (tmp_path / "c").symlink_to(home.miniature / "8" / "mirror")
    with pytest.raises(IbDataError, match="is a home of ib-data and cannot be a source"):
        list(SourceFolders((tmp_path / "c",)).files())


def test_the_downloads_of_a_home_can_be_a_source(home) -> None:
    home.mark()
    path = put(home.downloads / "example.org" / "test.jsonl", b"")
    assert list(SourceFolders((home.downloads,)).files()) == [path]


def test_the_mirror_of_a_miniature_is_an_error(cli, home) -> None:
    home.mark()
    result = cli("build", "vsr", "--mirror", (home.miniature / "40" / "mirror").as_uri(), "--home", home.root)
    assert result.code == 1
    assert "build from it with --mini" in result.err


def test_a_home_is_marked_and_an_old_one_is_recognised(tmp_path, home) -> None:
    build(home, lay_vqav2(tmp_path / "s", photos=False), media=False)
    assert (home.root / MARKER).is_file()
    (home.root / MARKER).unlink()
    with pytest.raises(IbDataError, match="is a home of ib-data"):
        list(SourceFolders((home.root,)).files())


def test_link_loops_end(tmp_path) -> None:
    put(tmp_path / "a" / "b" / "x.json", b"1")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    (tmp_path / "train2017").symlink_to(tmp_path / "a")  # a second name of a folder counts
    names = sorted(path.relative_to(tmp_path).as_posix() for path in SourceFolders((tmp_path,)).files())
    assert names == ["a/b/x.json", "itself", "train2017/b/x.json"]
