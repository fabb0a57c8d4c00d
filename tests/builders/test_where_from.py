"""Where every byte of a build comes from: one part decides, and can say why."""

import gzip
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from official import lay, lay_vqav2, photo
from test_build import build, drops, samples

from ib_data.builders.build import Build, build_dataset
from ib_data.builders.fetch import Fetcher
from ib_data.builders.folders import SourceFolders
from ib_data.builders.official import OfficialPlaces
from ib_data.builders.options import Options
from ib_data.cards import card_names, load_card, media_stores
from ib_data.errors import DataError, IbDataError
from ib_data.home import MARKER

RIGHT, WRONG = photo(200), photo(10)
# The id of an image of every store that has a folder or an archive of its own.
IDS = {"scienceqa": "test/5/image.png", "iconqa": "choose_txt/1", "ocrvqa_covers": "7.jpg", "hateful": "00127"}


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def put_zip(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as out:
        for name, data in members.items():
            out.writestr(name, data)
    return path


def gqa(folder: Path, *ids: str) -> Path:
    rows = {f"0{i}": {"imageId": i, "question": "Is it?", "answer": "yes", "isBalanced": True} for i in ids}
    lay(folder, "testdev_balanced_questions.json", rows)
    return folder


def images(home, name: str, split: str) -> dict[str, bytes]:
    return {sample.media.source_name: data for sample, data in samples(home, name, split)}


def vsr(folder: Path, *ids: int) -> Path:
    link = "http://images.cocodataset.org/train2017/{:012d}.jpg"
    rows = [{"image": f"{i:012d}.jpg", "image_link": link.format(i), "caption": "It is.", "label": 1} for i in ids]
    put(folder / "test.jsonl", "\n".join(map(json.dumps, rows)).encode())
    return folder


# --- an archive goes before loose files, and a loose file counts in its official folder only


def test_an_archive_goes_before_a_loose_file_of_another_folder(home, tmp_path) -> None:
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
    assert f"not in its official folder, and so not taken: {source / folder / '2.jpg'}" in str(caught.value)


@pytest.mark.parametrize("folder", ["gqa/images", "GQA/data/images", "images", "data/images"])
def test_an_image_counts_in_its_official_folder(home, tmp_path, folder: str) -> None:
    put(gqa(tmp_path / "s", "1") / folder / "1.jpg", RIGHT)
    build(home, tmp_path / "s", name="gqa", split="test")
    assert images(home, "gqa", "test") == {"images/1.jpg": RIGHT}


def test_an_image_counts_where_the_folder_given_is_that_folder(cli, home, tmp_path) -> None:
    source = gqa(tmp_path / "rows", "1")
    put(tmp_path / "my_photos" / "1.jpg", RIGHT)
    given = ("--source", source, "--source", tmp_path / "my_photos")
    assert cli("build", "gqa", *given, "--home", home.root).code == 0
    assert images(home, "gqa", "test") == {"images/1.jpg": RIGHT}


@pytest.mark.parametrize("name", ["ocr_vqa/images", "flickr30k-images", "train2017"])
def test_a_folder_that_is_another_datasets_is_not_this_ones_even_where_it_is_given(cli, home, tmp_path, name) -> None:
    put(gqa(tmp_path / "s", "1") / "gqa" / "images" / "9.jpg", RIGHT)
    put(tmp_path / "t" / name / "1.jpg", WRONG)
    given = ("--source", tmp_path / "s", "--source", tmp_path / "t" / name)
    result = cli("build", "gqa", "--split", "test", *given, "--home", home.root)
    assert result.code == 1
    assert "1 of 1 images are missing" in result.err


def stores_with_a_folder() -> list[str]:
    return [name for name, store in media_stores().items() if not store.parts and name != "web_capfilt_images"]


@pytest.mark.parametrize("name", stores_with_a_folder())
def test_no_store_takes_a_file_of_an_unknown_folder(tmp_path, name: str) -> None:
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


def test_an_empty_file_does_not_hide_the_good_one(home, tmp_path) -> None:
    source = vsr(tmp_path / "s", 1)
    put(source / "train2017" / "000000000001.jpg", b"")
    put_zip(source / "train2017.zip", {"train2017/000000000001.jpg": RIGHT})
    build(home, source, name="vsr", split="test")
    assert images(home, "vsr", "test") == {"train2017/000000000001.jpg": RIGHT}


def test_an_image_of_another_split_says_so(home, tmp_path) -> None:
    put(vsr(tmp_path / "s", 1) / "val2017" / "000000000001.jpg", WRONG)
    with pytest.raises(DataError, match=r"it is in coco_val2017, another split's: is the annotation file of another"):
        build(home, tmp_path / "s", name="vsr", split="test")


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


def test_two_trees_of_equal_right_that_differ_are_both_named(home, tmp_path) -> None:
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
def test_a_home_that_is_given_as_a_source_is_refused(home, inside: str) -> None:
    home.mark()
    (home.root / inside).mkdir(parents=True, exist_ok=True)
    with pytest.raises(IbDataError, match="is a home of ib-data, never a source"):
        list(SourceFolders((home.root / inside,)).files())


def test_what_lies_in_the_downloads_of_a_home_may_be_given(home) -> None:
    home.mark()
    path = put(home.downloads / "example.org" / "test.jsonl", b"")
    assert list(SourceFolders((home.downloads,)).files()) == [path]


def test_the_mirror_of_a_miniature_is_refused(cli, home) -> None:
    home.mark()
    result = cli("build", "vsr", "--mirror", (home.miniature / "40" / "mirror").as_uri(), "--home", home.root)
    assert result.code == 1
    assert "build from it with --mini" in result.err


def test_a_home_is_marked_and_an_old_one_is_known(tmp_path, home) -> None:
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


# --- forms that people have


@pytest.mark.parametrize("ending", ["jpeg", "JPG", "JPEG"])
def test_other_spellings_of_jpg_are_read(home, tmp_path, ending: str) -> None:
    put(vsr(tmp_path / "s", 1) / "train2017" / f"000000000001.{ending}", RIGHT)
    build(home, tmp_path / "s", name="vsr", split="test")
    assert images(home, "vsr", "test") == {"train2017/000000000001.jpg": RIGHT}


@pytest.mark.parametrize("prefix", ["coco/train2017/", "./train2017/", "train2017\\", ""])
def test_archives_packed_anew_are_read(home, tmp_path, prefix: str) -> None:
    put_zip(vsr(tmp_path / "s", 1) / "train2017.zip", {f"{prefix}000000000001.jpg": RIGHT})
    build(home, tmp_path / "s", name="vsr", split="test")
    assert images(home, "vsr", "test") == {"train2017/000000000001.jpg": RIGHT}


def test_an_archive_with_none_of_the_wanted_names_is_named(home, tmp_path) -> None:
    put_zip(vsr(tmp_path / "s", 1) / "train2017.zip", {"other/readme.txt": b"-"})
    with pytest.raises(
        DataError, match=r"train2017\.zip: holds none of the 1 wanted: no train2017/0+1\.jpg, but other/"
    ):
        build(home, tmp_path / "s", name="vsr", split="test")


def test_an_annotation_archive_with_a_folder_more_is_read(home, tmp_path) -> None:
    question = {"image": "VizWiz_val_00000003.jpg", "question": "What?", "answers": [{"answer": "a"}], "answerable": 1}
    put_zip(tmp_path / "s" / "Annotations.zip", {"Annotations/val.json": json.dumps([question]).encode()})
    (manifest,) = build(home, tmp_path / "s", name="vizwiz", media=False)
    assert (manifest.split, manifest.num_annotations) == ("validation", 1)
    put_zip(tmp_path / "t" / "Annotations.zip", dict.fromkeys(("a/val.json", "b/val.json"), b"[]"))
    with pytest.raises(DataError, match=r"holds no member 'val\.json', but 'a/val\.json' and 'b/val\.json'"):
        build(home, tmp_path / "t", name="vizwiz", media=False)


def test_a_gzipped_file_is_read(home, tmp_path) -> None:
    source = lay_vqav2(tmp_path / "s", photos=False)
    for path in list(source.iterdir()):
        put(path.with_name(f"{path.name}.gz"), gzip.compress(path.read_bytes()))
        path.unlink()
    assert build(home, source, media=False)[0].num_annotations == 6
    for path in source.iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"\.json\.gz: cannot be read as gzip"):
        build(home, source, media=False)


def test_a_cover_counts_under_its_books_number_with_any_ending(home, tmp_path) -> None:
    book = {"split": 3, "questions": ["Who?"], "answers": ["A"], "imageURL": "http://x.org/I/b.gif", "title": "T"}
    lay(tmp_path / "s", "dataset.json", {"8": book})
    put(tmp_path / "s" / "ocr_vqa" / "images" / "8.jpg", RIGHT)
    build(home, tmp_path / "s", name="ocrvqa", split="test")
    assert images(home, "ocrvqa", "test") == {"http://x.org/I/b.gif": RIGHT}


# --- a --source that lacks something


@pytest.mark.parametrize(
    ("dataset", "name", "near"),
    [
        ("gqa", "testdev_balanced.json", "near: testdev_balanced.json"),
        ("gqa", "Testdev_Balanced_Questions.JSON", "near: Testdev_Balanced_Questions.JSON"),
        ("vsr", "test.json", "near: test.json"),
        ("llava_reasoning", "llava_instruct_150k.json", "the three files joined"),
        ("coco_caption", "coco_karpathy_train.json", "a list that LAVIS made"),
    ],
)
def test_a_source_with_nothing_of_the_dataset_is_an_error_that_names_what_is_near(
    cli, home, tmp_path, dataset: str, name: str, near: str
) -> None:
    put(tmp_path / "s" / name, b"[]")
    result = cli("build", dataset, "--source", tmp_path / "s", "--home", home.root)
    assert result.code == 1
    assert result.err.startswith(f"ib-data: {dataset}: nothing of it: --source {tmp_path / 's'} lacks ")
    assert near in result.err


def test_what_a_source_lacks_is_said_before_it_is_fetched(home, tmp_path, capsys) -> None:
    source = lay_vqav2(tmp_path / "s", photos=False)
    (source / "v2_mscoco_train2014_annotations.json").rename(source / "annotations_v2_mscoco_train2014.json")
    with pytest.raises(DataError, match="the mirror has no such file"):
        build(home, source, split="train", media=False)
    err = capsys.readouterr().err
    assert "lacks v2_mscoco_train2014_annotations.json (in v2_Annotations_Train_mscoco.zip or bare)" in err
    assert "fetching v2_Annotations_Train_mscoco.zip, " in err
    assert " bytes, from the mirror" in err or "not known, from the mirror" in err


def test_a_default_split_that_is_left_out_is_named(home, tmp_path, capsys) -> None:
    row = {"question_id": "q" * 22, "image_id": 3, "question": "?", "choices": ["a", "b"], "correct_choice_idx": 1}
    rows = [{**row, "direct_answers": ["a"], "rationales": ["r"]}]
    lay(tmp_path / "s", "aokvqa_v1p0_val.json", rows)
    build(home, tmp_path / "s", name="aokvqa", media=False)
    assert "aokvqa/train is left out: --source" in capsys.readouterr().err


def test_images_that_a_source_lacks_altogether_are_fetched_after_a_line(home, tmp_path, capsys) -> None:
    with pytest.raises(DataError, match="the mirror has no such file"):
        build(home, lay_vqav2(tmp_path / "s", photos=False))
    assert "3 images are not in --source" in (err := capsys.readouterr().err)
    assert "fetching train2014.zip, 13,510,573,713 bytes, from the mirror" in err


def test_missing_and_broken_images_are_told_together(home, tmp_path) -> None:
    source = lay_vqav2(tmp_path / "s")
    (source / "train2014" / "COCO_train2014_000000000003.jpg").unlink()
    put(source / "train2014" / "COCO_train2014_000000000001.jpg", b"<html>")
    with pytest.raises(DataError, match="1 of 3 images are missing") as caught:
        build(home, source)
    assert "of the others 1 cannot be used, first " in str(caught.value)


# --- what a build says of it


def test_the_manifest_lists_where_everything_comes_from(home, tmp_path) -> None:
    source = lay_vqav2(tmp_path / "s")
    (manifest,) = build(home, source)
    found = {origin["what"]: (origin["place"], origin["num_files"]) for origin in manifest.recipe["origins"]}
    assert found == {
        "questions": ("s/v2_OpenEnded_mscoco_train2014_questions.json", 1),
        "answers": ("s/v2_mscoco_train2014_annotations.json", 1),
        "coco_train2014": ("s/train2014", 3),
    }
    assert str(tmp_path) not in json.dumps(manifest.recipe)


def test_a_dry_run_lists_and_writes_nothing(cli, home, tmp_path) -> None:
    source = lay_vqav2(tmp_path / "s")
    (source / "train2014" / "COCO_train2014_000000000003.jpg").unlink()
    result = cli("build", "vqav2", "flickr30k", "--dry-run", "--source", source, "--home", home.root)
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert "vqav2/train coco_train2014 2 s/train2014 --source, loose files in the official folder" in lines
    assert any(line.startswith("vqav2/train coco_train2014 1 http") and "missing in --source" in line for line in lines)
    assert lines[-1] == "nothing is to be fetched"
    assert not home.root.exists()
    result = cli("build", "vsr", "flickr30k", "--dry-run", "--home", home.root)
    assert result.code == 0
    assert "to be fetched if rows want them, by hand: request the photos" in " ".join(result.out.split())
    sizes = {file.url: file.num_bytes for name in ("vsr", "flickr30k") for file in load_card(name).files}
    assert f"to be fetched: {sum(sizes.values()):,} bytes" in result.out
    assert cli("build", "vsr", "--mini", "--dry-run", "--home", home.root).code == 2


def test_an_unchanged_build_reads_no_row(home, tmp_path, monkeypatch) -> None:
    source = lay_vqav2(tmp_path / "s")
    (first,) = build(home, source)
    with monkeypatch.context() as patch:
        patch.setattr("ib_data.builders.build.group", None)
        assert build(home, source) == [first]
    put(source / "train2014" / "COCO_train2014_000000000001.jpg", photo(77))
    (second,) = build(home, source)
    assert second.shards != first.shards
    (third,) = build(home, source, limit=1, replace=True)
    assert third.num_samples == 1


# --- sizes that a source states


def coco_val(folder: Path, width: int, height: int) -> Path:
    captions = [{"id": 5, "image_id": 1, "caption": "A cat."}]
    lay(
        folder,
        "captions_val2017.json",
        {"images": [{"id": 1, "width": width, "height": height}], "annotations": captions},
    )
    put(folder / "val2017" / "000000000001.jpg", photo(size=(64, 48)))
    return folder


@pytest.mark.parametrize(
    ("width", "height", "is_right"), [(64, 48, True), (48, 64, True), (640, 480, False), (64, 49, False)]
)
def test_an_image_is_of_the_size_that_its_source_states(home, tmp_path, width, height, is_right) -> None:
    source = coco_val(tmp_path / "s", width, height)
    if is_right:
        assert build(home, source, name="coco_caption")[0].num_samples == 1
    else:
        with pytest.raises(DataError, match=rf"is 64 x 48 pixels, and its source states {width} x {height}"):
            build(home, source, name="coco_caption")


def test_a_copy_as_small_as_asked_for_counts(home, tmp_path) -> None:
    source = coco_val(tmp_path / "s", 640, 480)
    assert build(home, source, name="coco_caption", max_side=64)[0].num_samples == 1
    with pytest.raises(DataError, match="a smaller copy"):
        build(home, coco_val(tmp_path / "t", 640, 400), name="coco_caption", max_side=64, replace=True)


def test_a_tar_packed_with_a_leading_dot_is_read(home, tmp_path) -> None:
    sentences = [{"raw": "A cat.", "sentid": 1}]
    image = {"filename": "100.jpg", "split": "test", "sentences": sentences, "imgid": 0, "sentids": [1]}
    lay(tmp_path / "s", "dataset_flickr30k.json", {"images": [image], "dataset": "flickr30k"})
    put(tmp_path / "t" / "100.jpg", RIGHT)
    with tarfile.open(tmp_path / "s" / "flickr30k-images.tar.gz", "w:gz") as out:
        out.add(tmp_path / "t" / "100.jpg", "./flickr30k-images/100.jpg")
    build(home, tmp_path / "s", name="flickr30k", split="test")
    assert images(home, "flickr30k", "test") == {"flickr30k-images/100.jpg": RIGHT}


# --- equal bytes under many URLs


def test_a_placeholder_under_many_urls_is_named_and_may_be_dropped(home, tmp_path, capsys) -> None:
    urls = [f"http://x.org/{name}{i}.jpg" for name, num in (("own", 3), ("gone", 4)) for i in range(num)]
    for number, url in enumerate(urls):
        put(tmp_path / "mirror" / url.removeprefix("http://"), WRONG if "gone" in url else photo(100 + number))
    rows = [{"url": url, "caption": f"caption {number}"} for number, url in enumerate(urls)]
    lay(tmp_path / "s", "ccs_synthetic_filtered_large.json", rows)
    given = {"fetcher": Fetcher(downloads=home.downloads, mirror=(tmp_path / "mirror").as_uri())}

    def build_web(**options):
        folders = SourceFolders((tmp_path / "s",))
        job = Build(home=home, folders=folders, options=Options(**options), **given)
        return build_dataset(load_card("web_capfilt"), job)[0]

    assert build_web().num_annotations == 7
    assert (
        "4 of 7 images that were fetched by URL are the same bytes, first http://x.org/gone0.jpg"
        in capsys.readouterr().err
    )
    assert build_web(drop_repeated=4, replace=True).num_annotations == 3
    assert [reason for _, reason in drops(home, "web_capfilt", "train")] == ["same bytes under many URLs"] * 4
    assert build_web(drop_repeated=5).num_annotations == 7
