"""nocaps and Flickr30k on rows written after their documented formats.

No real file holds nocaps' human captions, and of Flickr30k's split file one real image entry is known (`tests/real`).
"""

import io
import json
import tarfile

import pytest
from official import build, drops, lay, photo, samples

from ib_data.builders.miniature.server import serve
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.write.build import build_dataset
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.cards import load_card
from ib_data.errors import DataError

EMPTY = {"imgid": 5, "split": "test", "sentids": []}
NAMES = ("00a1b2c3d4e5f607", "0123456789012345")
DOMAINS = ("near-domain", "out-domain")


def lay_nocaps(folder, name="nocaps-val.json", **change):
    """Two photos with two captions each."""
    images = [
        {
            "id": i,
            "open_images_id": photo_id,
            "file_name": f"{photo_id}.jpg",
            "domain": domain,
            "width": 64,
            "height": 48,
        }
        for i, (photo_id, domain) in enumerate(zip(NAMES, DOMAINS, strict=True))
    ]
    captions = [{"image_id": i // 2, "id": i, "caption": f" Caption\n{i}. "} for i in range(4)]
    value = {"info": {}, "licenses": [], "images": images, "annotations": captions, **change}
    return lay(folder, name, value).parent


def test_nocaps_keeps_the_domain_and_names_images_by_open_images_id(home, tmp_path) -> None:
    lay_nocaps(tmp_path)
    for name in NAMES:
        (tmp_path / f"{name}.jpg").write_bytes(photo())
    (manifest,) = build(home, tmp_path, name="nocaps")
    assert (manifest.split, manifest.num_samples, manifest.num_annotations) == ("validation", 2, 4)
    (first, _), (second, _) = samples(home, "nocaps", "validation")
    assert first.key == f"nocaps-validation-{NAMES[0]}"
    assert second.media.source_name == f"validation/{NAMES[1]}.jpg"
    assert [(a.id, a.caption, a.extra) for a in second.annotations] == [
        ("2", "Caption 2.", {"domain": "out-domain"}), ("3", "Caption 3.", {"domain": "out-domain"}),
    ]  # fmt: skip


def test_nocaps_reads_the_file_of_the_older_address_too(home, tmp_path) -> None:
    lay_nocaps(tmp_path, "nocaps_val_4500_captions.json")
    (manifest,) = build(home, tmp_path, name="nocaps", media=False)
    assert (manifest.num_annotations, manifest.recipe["form"]) == (4, "bucket")


def test_nocaps_has_no_test_split_because_no_caption_of_it_is_public() -> None:
    assert set(load_card("nocaps").splits) == {"validation"}


def test_nocaps_is_stored_under_its_name_despite_a_query_url() -> None:
    places = {file.place for file in load_card("nocaps").files}
    assert "drive.usercontent.google.com/download/nocaps-val.json" in places


def test_a_nocaps_caption_of_no_image_is_a_drop(home, tmp_path) -> None:
    captions = [{"image_id": i, "id": i, "caption": "A."} for i in range(3)]
    lay_nocaps(tmp_path, annotations=captions)
    (manifest,) = build(home, tmp_path, name="nocaps", media=False)
    assert (manifest.num_annotations, drops(home, "nocaps", "validation")) == (2, [("2", "caption without image")])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"images": [{"id": 0, "domain": "in-domain"}]}, r"images\[0\]: key 'open_images_id' is missing"),
        ({"images": [{"id": "0", "open_images_id": "a", "domain": "in"}]}, r"images\[0\]: 'id': expected an integer"),
        ({"images": [{"id": 0, "open_images_id": "a", "domain": "in"}] * 2}, r"images\[1\]: image id 0 occurs twice"),
        ({"annotations": [{"image_id": 0, "id": 0}]}, r"annotations\[0\]: key 'caption' is missing"),
        ({"annotations": [{"image_id": 0, "caption": "A."}]}, r"annotations\[0\]: key 'id' is missing"),
    ],
)
def test_a_faulty_entry_of_nocaps_is_named(home, tmp_path, change, what) -> None:
    lay_nocaps(tmp_path, **change)
    with pytest.raises(DataError, match=rf"^nocaps: nocaps-val\.json: {what}"):
        build(home, tmp_path, name="nocaps", media=False)


def test_the_nocaps_test_list_error_says_that_it_has_no_captions(home, tmp_path) -> None:
    lay(tmp_path, "nocaps-val.json", {"info": {}, "licenses": [], "images": []})
    with pytest.raises(DataError, match="expected an object with 'annotations'"):
        build(home, tmp_path, name="nocaps", media=False)


def test_nocaps_images_are_fetched_one_by_one_and_a_dead_link_is_a_drop(home, tmp_path) -> None:
    lay_nocaps(tmp_path / "source")
    bucket = tmp_path / "mirror" / "open-images-dataset.s3.amazonaws.com" / "validation"
    bucket.mkdir(parents=True)
    (bucket / f"{NAMES[0]}.jpg").write_bytes(photo())
    with serve(tmp_path / "mirror") as address:
        fetcher = Fetcher(downloads=home.downloads, mirror=address)
        folders = SourceFolders((tmp_path / "source",))
        job = Build(home=home, fetcher=fetcher, folders=folders, options=Options())
        (manifest,) = build_dataset(load_card("nocaps"), job)
    assert (manifest.num_samples, manifest.num_annotations) == (1, 2)
    assert drops(home, "nocaps", "validation") == [("2", "dead link"), ("3", "dead link")]


def test_nocaps_images_are_read_from_an_existing_archive(home, tmp_path) -> None:
    lay_nocaps(tmp_path)
    with tarfile.open(tmp_path / "validation.tar.gz", "w:gz") as out:
        for name in NAMES:
            info = tarfile.TarInfo(f"validation/{name}.jpg")
            info.size = len(photo())
            out.addfile(info, io.BytesIO(photo()))
    (manifest,) = build(home, tmp_path, name="nocaps")
    assert manifest.num_samples == 2


def lay_flickr30k(folder, dataset="flickr30k", **change):
    """One photo of each split, with five captions."""
    images = []
    for number, split in enumerate(("train", "val", "test")):
        texts = [f"Caption {number}.{i} ." for i in range(5)]
        sentences = [
            {"raw": text, "tokens": text.lower().split(), "imgid": number, "sentid": number * 5 + i}
            for i, text in enumerate(texts)
        ]
        entry = {
            "sentids": [],
            "imgid": number,
            "sentences": sentences,
            "split": split,
            "filename": f"10002{number}.jpg",
        }
        images.append({**entry, **change})
    return lay(folder, "dataset_flickr30k.json", {"images": images, "dataset": dataset}).parent


def test_flickr30k_is_karpathys_test_split_and_its_key_comes_from_the_file_name(home, tmp_path) -> None:
    lay_flickr30k(tmp_path)
    (tmp_path / "100022.jpg").write_bytes(photo())
    (manifest,) = build(home, tmp_path, name="flickr30k")
    assert (manifest.split, manifest.num_samples, manifest.num_annotations) == ("test", 1, 5)
    ((sample, _),) = samples(home, "flickr30k", "test")
    assert sample.key == "flickr30k-test-100022"
    assert sample.media.source_name == "flickr30k-images/100022.jpg"
    assert [a.id for a in sample.annotations] == ["10", "11", "12", "13", "14"]
    assert sample.annotations[0].caption == "Caption 2.0 ."


@pytest.mark.parametrize(("split", "key"), [("train", "100020"), ("validation", "100021")])
def test_flickr30k_builds_the_other_splits_when_asked(home, tmp_path, split, key) -> None:
    lay_flickr30k(tmp_path)
    build(home, tmp_path, name="flickr30k", split=split, media=False)
    ((sample, _),) = samples(home, "flickr30k", split)
    assert sample.key == f"flickr30k-{split}-{key}"


def test_a_split_file_of_another_dataset_is_an_error_for_flickr30k(home, tmp_path) -> None:
    lay_flickr30k(tmp_path, dataset="flickr8k")
    with pytest.raises(DataError, match="expected dataset 'flickr30k', found 'flickr8k'"):
        build(home, tmp_path, name="flickr30k", media=False)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"filename": "100022.png"}, r"images\[2\]: 'filename': expected NAME\.jpg, found '100022\.png'"),
        ({"filename": 5}, r"images\[2\]: 'filename': expected a text, found 5"),
        ({"split": None}, r"images\[0\]: 'split': expected a text, found None"),
        ({"split": "tset"}, r"images\[0\]: 'split': expected train, val, test, found 'tset'"),
        ({"sentences": [{"raw": "A."}]}, r"images\[2\]\.sentences\[0\]: key 'sentid' is missing"),
        ({"sentences": "A."}, r"images\[2\]: 'sentences': expected a list"),
    ],
)
def test_a_faulty_entry_of_flickr30k_is_named(home, tmp_path, change, what) -> None:
    lay_flickr30k(tmp_path, **change)
    with pytest.raises(DataError, match=rf"^flickr30k: dataset_flickr30k\.json: {what}"):
        build(home, tmp_path, name="flickr30k", media=False)


def test_a_flickr30k_image_without_sentences_is_a_drop_and_without_a_list_an_error(home, tmp_path) -> None:
    path = lay_flickr30k(tmp_path) / "dataset_flickr30k.json"
    value = json.loads(path.read_text())
    # Its stem is the id of a sentence: the drop must not be taken for that one.
    lay(tmp_path, path.name, {**value, "images": [*value["images"], {**EMPTY, "filename": "10.jpg", "sentences": []}]})
    (manifest,) = build(home, tmp_path, name="flickr30k", media=False)
    assert (manifest.num_annotations, drops(home, "flickr30k", "test")) == (5, [("10.jpg", "no sentence")])
    lay(tmp_path, path.name, {**value, "images": [{**EMPTY, "filename": "10.jpg"}]})
    with pytest.raises(DataError, match=r"images\[0\]: key 'sentences' is missing"):
        build(home, tmp_path, name="flickr30k", media=False)


def lay_coco(folder, **change):
    """Two photos of one caption each in Karpathy's file; the second is changed."""
    one = {"filepath": "val2014", "cocoid": 7, "split": "train", "sentences": [{"raw": "A star.", "sentid": 9}]}
    two = {**one, "filepath": "train2014", "cocoid": 9, "sentences": [{"raw": "A dot.", "sentid": 7}], **change}
    images = [one, {key: value for key, value in two.items() if value is not ...}]
    return lay(folder, "dataset_coco.json", {"images": images, "dataset": "coco"}).parent


def test_a_karpathy_coco_image_without_sentences_is_a_drop(home, tmp_path) -> None:
    build(home, lay_coco(tmp_path, sentences=[]), name="coco_caption", split="train", media=False)
    assert drops(home, "coco_caption", "train") == [("train2014/9", "no sentence")]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"split": "rest"}, "'split': expected train, restval, val, test, found 'rest'"),
        ({"sentences": ...}, "key 'sentences' is missing"),
        ({"filepath": "train2017"}, "'filepath': expected train2014 or val2014, found 'train2017'"),
    ],
)
def test_a_faulty_karpathy_coco_image_is_named(home, tmp_path, change, what) -> None:
    with pytest.raises(DataError, match=rf"^coco_caption: dataset_coco\.json: images\[1\]: {what}"):
        build(home, lay_coco(tmp_path, **change), name="coco_caption", split="train", media=False)


def test_flickr30k_says_where_to_request_its_images(home, tmp_path) -> None:
    lay_flickr30k(tmp_path)
    job = Build(
        home=home,
        fetcher=Fetcher(downloads=home.downloads),
        folders=SourceFolders((tmp_path,)),
        options=Options(),
    )
    with pytest.raises(DataError) as caught:
        build_dataset(load_card("flickr30k"), job)
    assert "must be fetched by hand (form): request the photos at https://shannon.cs.illinois.edu" in str(caught.value)
    assert "put the folder flickr30k-images into a folder and name it with --source" in str(caught.value)
