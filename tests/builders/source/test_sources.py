"""Where official files are searched, and the error for files that a person must fetch."""

import dataclasses
import json
import tarfile
import zipfile

import pytest
from official import build, lay, lay_vqav2, photo, samples

from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.official_files import locate
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.cards import Gate, load_card, media_stores
from ib_data.errors import DataError, IbDataError


def test_a_gated_file_error_says_where_to_ask_and_where_to_put_it(home) -> None:
    gate = Gate(kind="a form", where="https://example.org/request", lay_down="v2_Questions_Train_mscoco.zip")
    card = dataclasses.replace(load_card("vqav2"), gate=gate)
    with pytest.raises(DataError) as caught:
        locate(card, card.files[0], SourceFolders(), Fetcher(downloads=home.downloads))
    line = str(caught.value)
    place = home.downloads / "s3.amazonaws.com/cvmlp/vqa/mscoco/vqa/v2_Questions_Train_mscoco.zip"
    assert "must be fetched by hand (a form): https://example.org/request" in line
    assert "put v2_Questions_Train_mscoco.zip into a folder and name it with --source" in line
    assert str(place) in line
    place.parent.mkdir(parents=True)
    place.write_bytes(b"laid down by hand")
    assert locate(card, card.files[0], SourceFolders(), Fetcher(downloads=home.downloads)).path == place


def test_a_mirror_may_serve_a_gated_file(home, tmp_path) -> None:
    gate = Gate(kind="a form", where="https://example.org/request", lay_down="the archive")
    card = dataclasses.replace(load_card("vqav2"), gate=gate)
    file = dataclasses.replace(card.files[0], sha256=None)
    (tmp_path / "mirror" / file.place).parent.mkdir(parents=True)
    (tmp_path / "mirror" / file.place).write_bytes(b"served by a mirror")
    fetcher = Fetcher(downloads=home.downloads, mirror=(tmp_path / "mirror").as_uri())
    assert locate(card, file, SourceFolders(), fetcher).path.read_bytes() == b"served by a mirror"


def test_a_missing_source_is_one_line(home, tmp_path) -> None:
    with pytest.raises(IbDataError, match=r"--source .*/nowhere: there is no such folder or file"):
        build(home, tmp_path / "nowhere")


def test_an_official_archive_is_read_in_place(home, tmp_path) -> None:
    source = lay_vqav2(tmp_path / "source")
    for archive, member in {
        "v2_Questions_Train_mscoco.zip": "v2_OpenEnded_mscoco_train2014_questions.json",
        "v2_Annotations_Train_mscoco.zip": "v2_mscoco_train2014_annotations.json",
    }.items():
        with zipfile.ZipFile(source / archive, "w", zipfile.ZIP_DEFLATED) as out:
            out.write(source / member, member)
        (source / member).unlink()
    photos = sorted((source / "train2014").iterdir())
    with zipfile.ZipFile(source / "train2014.zip", "w") as out:
        for path in photos:
            out.write(path, f"train2014/{path.name}")
    for path in photos:
        path.unlink()
    (manifest,) = build(home, source)
    assert (manifest.num_samples, manifest.num_annotations) == (3, 6)
    assert not list(home.root.rglob("*.jpg"))
    assert not list(home.root.rglob("*questions.json"))


def test_a_member_of_a_tar_is_streamed(home, tmp_path) -> None:
    rows = [{"question_id": "q" * 22, "image_id": 3, "question": "What?", "choices": ["a", "b", "c", "d"]}]
    member = lay(tmp_path / "plain", "aokvqa_v1p0_test.json", rows)
    (tmp_path / "source").mkdir()
    with tarfile.open(tmp_path / "source" / "aokvqa_v1p0.tar.gz", "w:gz") as out:
        out.add(member, "aokvqa_v1p0_test.json")
    (manifest,) = build(home, tmp_path / "source", name="aokvqa", split="test", media=False)
    assert manifest.num_annotations == 1


def test_karpathy_train_includes_restval_and_cleans_captions(home, tmp_path) -> None:
    def image(cocoid: int, split: str, *texts: str) -> dict:
        sentences = [{"raw": text, "sentid": cocoid * 10 + i, "tokens": []} for i, text in enumerate(texts)]
        return {"cocoid": cocoid, "split": split, "filepath": "val2014", "filename": "x.jpg", "sentences": sentences}

    images = [
        image(1, "train", " A  cat.\n", "A cat."),
        image(2, "restval", "Two\nlines. "),
        image(3, "val", "V."),
        image(4, "test", "T.", " \n"),
    ]
    lay(tmp_path / "s", "dataset_coco.json", {"images": images, "dataset": "coco"})
    manifests = build(home, tmp_path / "s", name="coco_caption", media=False)
    assert [(m.split, m.num_annotations, m.num_drops) for m in manifests] == [
        ("train", 3, 0), ("validation", 1, 0), ("test", 1, 1),
    ]  # fmt: skip
    captions = [a.caption for sample, _ in samples(home, "coco_caption", "train") for a in sample.annotations]
    assert captions == ["A cat.", "A cat.", "Two lines."]


def test_a_split_file_of_another_dataset_is_recognised(home, tmp_path) -> None:
    lay(tmp_path / "s", "dataset_coco.json", {"images": [], "dataset": "flickr30k"})
    with pytest.raises(DataError, match="expected dataset 'coco', found 'flickr30k'"):
        build(home, tmp_path / "s", name="coco_caption", media=False)


def test_splits_of_two_forms_are_noted(home, tmp_path, capsys) -> None:
    image = {"cocoid": 1, "split": "test", "filepath": "val2014", "sentences": [{"raw": "T.", "sentid": 1}]}
    lay(tmp_path / "one", "dataset_coco.json", {"images": [image], "dataset": "coco"})
    build(home, tmp_path / "one", name="coco_caption", media=False)
    lay(tmp_path / "two", "captions_val2017.json", {"annotations": [{"id": 5, "image_id": 1, "caption": "V."}]})
    build(home, tmp_path / "two", name="coco_caption", media=False)
    assert "coco_caption: test is of the karpathy form, not official; build it again" in capsys.readouterr().err


def vsr_row(**change: object) -> str:
    link = "http://images.cocodataset.org/train2017/000000000009.jpg"
    row = {"image": "000000000009.jpg", "image_link": link, "caption": "It is.", "label": 1, "relation": "on"}
    return json.dumps({**row, **change})


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (vsr_row(image_link="http://images.cocodataset.org/000000000009.jpg"), "line 2: 'image_link': expected"),
        (vsr_row(image_link="x/train2017/nine.jpg"), "line 2: 'image_link': expected"),
        (vsr_row(label=2), "line 2: 'label': expected 0 or 1, found 2"),
        (vsr_row(label="1"), "line 2: 'label': expected an integer, found '1'"),
        (vsr_row()[:30], r"line 2: cannot be read as JSON"),
        ("[1]", "line 2: expected a table"),
    ],
)
def test_a_faulty_line_of_vsr_is_named(home, tmp_path, line: str, what: str) -> None:
    (tmp_path / "train.jsonl").write_text(f"{vsr_row()}\n{line}\n")
    with pytest.raises(DataError, match=what):
        build(home, tmp_path / "train.jsonl", name="vsr", media=False)


def test_an_index_beyond_the_choices_is_an_error(home, tmp_path) -> None:
    row = {"question_id": "q", "image_id": 3, "question": "?", "choices": ["a", "b"], "correct_choice_idx": 2}
    lay(tmp_path / "s", "aokvqa_v1p0_val.json", [row])
    with pytest.raises(DataError, match=r"row\[0\]: correct_choice_idx 2 is not one of the 2 choices"):
        build(home, tmp_path / "s", name="aokvqa", media=False)


def test_an_image_missing_in_a_source_folder_is_not_fetched(home, tmp_path) -> None:
    """One photo of the family in --source says that the others should be there, too."""
    source = lay_vqav2(tmp_path / "source", photos=False)
    (source / "COCO_train2014_000000000099.jpg").write_bytes(photo())
    with pytest.raises(DataError, match="3 of 3 images are missing"):
        build(home, source)


def test_an_image_in_another_datasets_folder_is_not_used(home, tmp_path) -> None:
    """GQA's and Flickr30K's photos are both called by a bare number."""
    source = tmp_path / "source"
    for folder, shade in (("flickr30k-images", 10), ("gqa/images", 200)):
        (source / folder).mkdir(parents=True)
        (source / folder / "2407890.jpg").write_bytes(photo(shade))
    row = {"imageId": "2407890", "question": "Is it?", "answer": "yes", "isBalanced": True}
    lay(source, "testdev_balanced_questions.json", {"07": row})
    build(home, source, name="gqa", split="test")
    assert samples(home, "gqa", "test")[0][1] == photo(200)


def test_an_unrelated_image_in_the_folder_does_not_stop_a_download(home, tmp_path) -> None:
    """Only what is named as a dataset's own photos says that the others should be there."""
    store = media_stores()["gqa_images"]
    assert not store.names(tmp_path / "notes" / "holiday.jpg")
    assert store.names(tmp_path / "gqa" / "images" / "1.jpg")
    assert media_stores()["coco_val2014"].names(tmp_path / "anywhere" / "COCO_val2014_000000000001.jpg")


def test_one_failing_dataset_does_not_stop_the_others(cli, home, tmp_path) -> None:
    lay_vqav2(tmp_path / "source")
    result = cli(
        "build", "okvqa", "vqav2", "--source", tmp_path / "source", "--mirror", "file:///none", "--home", home.root
    )
    assert result.code == 1
    assert "vqav2/train: 6 of 443,757 annotations" in result.out
    assert "not built: okvqa: " in result.err
    assert result.err.endswith("ib-data: 1 of 2 datasets were not built: okvqa\n")


def test_an_id_too_long_for_a_tar_gets_a_short_key(home, tmp_path) -> None:
    row = {"imageId": "x" * 300, "question": "Is it?", "answer": "yes", "isBalanced": True}
    lay(tmp_path / "s", "testdev_balanced_questions.json", {"07": row})
    build(home, tmp_path / "s", name="gqa", split="test", media=False)
    ((sample, _),) = samples(home, "gqa", "test")
    assert len(sample.key) < 80
    assert sample.media.source_name == f"images/{'x' * 300}.jpg"
