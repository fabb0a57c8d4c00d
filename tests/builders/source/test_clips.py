"""MSVD-QA, MSRVTT-QA and iVQA on rows written after their documented formats, and what a build does with clips.

Of MSVD-QA one split is at hand in a reassembled file (`tests/real`); no real file of MSRVTT-QA or iVQA was found.
"""

import io
import json
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath

import pytest
from official import build, drops, lay, samples
from toy_clips import clip

from ib_data.builders.miniature.server import serve
from ib_data.builders.source.files import Files
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.located import Located
from ib_data.builders.source.media_finder import find_media
from ib_data.builders.source.row import MediaRef
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.write.build import build_dataset
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.cards import load_card, media_stores
from ib_data.errors import DataError
from ib_data.media.faults import MediaError
from ib_data.media.opened_clip import open_clip

NAMES = {1451: "a1B2c3D4e5F_12_27", 1452: "-_B2c3D4e5F_0_9"}
MAPPING = "".join(f"{name} vid{number}\n" for number, name in NAMES.items())
HEADER = "video_id,start,end,question,answer1,answer2,answer3,answer4,answer5"


def msvd_row(number: int, video_id: int = 1451, **change: object) -> dict:
    return {"id": 37348 + number, "video_id": video_id, "question": "what moves?", "answer": "star", **change}


def lay_msvd(folder, rows, mapping=MAPPING):
    lay(folder, "test_qa.json", rows)
    (folder / "youtube_mapping.txt").write_text(mapping)
    return folder


def test_msvd_keeps_every_answer_to_one_question(home, tmp_path) -> None:
    rows = [
        msvd_row(0, answer="star"),
        msvd_row(1, answer="shape"),
        msvd_row(2, answer="pmy"),
        msvd_row(3, 1452, question=" who  draws? "),
        msvd_row(4, 1453),
        msvd_row(5, answer=" "),
    ]
    (manifest,) = build(home, lay_msvd(tmp_path, rows), name="msvd_qa", media=False)
    assert (manifest.split, manifest.num_samples, manifest.num_annotations, manifest.num_drops) == ("test", 2, 4, 2)
    assert drops(home, "msvd_qa", "test") == [("37352", "video without a clip name"), ("37353", "no answers")]
    (other, _), (sample, _) = samples(home, "msvd_qa", "test")
    assert sample.key == "msvd_qa-test-a1B2c3D4e5F_12_27"
    assert sample.media.source_name == "YouTubeClips/a1B2c3D4e5F_12_27.avi"
    assert sample.media.kind == "video"
    assert [(a.id, a.answers[0].text) for a in sample.annotations] == [
        ("37348", "star"), ("37349", "shape"), ("37350", "pmy"),
    ]  # fmt: skip
    assert sample.annotations[0].extra == {"video_id": 1451}
    assert other.annotations[0].question == "who draws?"


@pytest.mark.parametrize(
    ("mapping", "what"),
    [
        ("a1B2c3D4e5F_12_27 1451\n", "line 1: expected 'YOUTUBE-ID_START_END vidNUMBER'"),
        ("a1B2c3D4e5F vid1451\n", "line 1: expected 'YOUTUBE-ID_START_END vidNUMBER'"),
        ("a_1_2 vid1451\nb_1_2\n", "line 2: expected 2 cells, found 1"),
        ("a_1_2 vid1451\nb_1_2 vid1451\n", "line 2: vid1451 occurs twice"),
        ("a_1_2 vid7\n", "no video of test_qa.json is here"),
        ("", "no video of test_qa.json is here"),
    ],
)
def test_a_faulty_mapping_of_msvd_is_named(home, tmp_path, mapping: str, what: str) -> None:
    with pytest.raises(DataError, match=what) as caught:
        build(home, lay_msvd(tmp_path, [msvd_row(0)], mapping), name="msvd_qa", media=False)
    assert "youtube_mapping.txt" in str(caught.value)


def test_files_of_the_two_sister_datasets_are_told_apart(home, tmp_path) -> None:
    with pytest.raises(
        DataError, match="'category_id': expected no such key, found 3; is this a file of another dataset"
    ):
        build(home, lay_msvd(tmp_path / "one", [msvd_row(0, category_id=3)]), name="msvd_qa", media=False)
    with pytest.raises(DataError, match=r"test_qa.json: row\[0\]: key 'category_id' is missing"):
        build(home, lay_msvd(tmp_path / "two", [msvd_row(0)]), name="msrvtt_qa", media=False)


def test_a_gate_error_names_page_and_files(cli, home) -> None:
    for name, page in (("msvd_qa", "h5j7cpwnvn"), ("msrvtt_qa", "bvxhs33bw6")):
        result = cli("build", name, "--home", home.root)
        assert result.code == 1
        assert "test_qa.json: must be fetched by hand (web page button)" in result.err
        assert f"press the download button at https://data.mendeley.com/datasets/{page}" in result.err
        assert f"{home.downloads}/data.mendeley.com/datasets/{page}/test_qa.json" in result.err


@pytest.mark.parametrize("extension", ["avi", "mp4", "mkv", "webm"])
def test_a_loose_clip_counts_under_any_of_its_extensions(home, tmp_path, extension: str) -> None:
    lay_msvd(tmp_path, [msvd_row(0)])
    container = {"mkv": "matroska"}.get(extension, extension)
    codec = {"webm": "libvpx", "avi": "mpeg4"}.get(extension, "libx264")
    data = clip(5, container=container, codec=codec)
    (tmp_path / f"{NAMES[1451]}.{extension}").write_bytes(data)
    (manifest,) = build(home, tmp_path, name="msvd_qa")
    ((sample, stored),) = samples(home, "msvd_qa", "test")
    assert stored == data
    assert (sample.media.width, sample.media.height) == (96, 72)
    with tarfile.open(home.split("msvd_qa", "test") / manifest.shards[0].name) as tar:
        assert tar.getnames()[0] == f"{sample.key}.{'mkv' if extension == 'webm' else extension}"


def test_clips_are_read_from_the_plain_tar(home, tmp_path) -> None:
    source = lay_msvd(tmp_path / "source", [msvd_row(0), msvd_row(1, 1452)])
    data = clip(3, container="avi", codec="mpeg4")
    with tarfile.open(source / "YouTubeClips.tar", "w") as tar:
        for name in (*NAMES.values(), "nobodyasked_1_2"):
            info = tarfile.TarInfo(f"YouTubeClips/{name}.avi")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    (manifest,) = build(home, source, name="msvd_qa")
    assert (manifest.num_samples, manifest.num_drops) == (2, 0)


def test_a_missing_and_a_broken_clip_are_errors_or_counted_drops(home, tmp_path) -> None:
    source = lay_msvd(tmp_path, [msvd_row(0), msvd_row(1), msvd_row(2, 1452)])
    broken = source / f"{NAMES[1451]}.mp4"
    broken.write_bytes(clip(3)[:900])
    with pytest.raises(DataError, match="1 of 2 videos are missing"):
        build(home, source, name="msvd_qa")
    (source / f"{NAMES[1452]}.mp4").write_bytes(clip(3))
    with pytest.raises(Exception, match=r"a1B2c3D4e5F_12_27\.mp4.*(is not a whole clip|holds no video)"):
        build(home, source, name="msvd_qa")
    (manifest,) = build(home, source, name="msvd_qa", allow_missing=True)
    assert manifest.num_annotations == 1
    assert drops(home, "msvd_qa", "test") == [("37348", "media unreadable"), ("37349", "media unreadable")]


@pytest.mark.parametrize(
    ("archive", "member"),
    [
        ("MSRVTT.zip", "MSRVTT/videos/all/video7010.mp4"),
        ("test_videos.zip", "TestVideo/video7010.mp4"),
        ("train_val_videos.zip", "TrainValVideo/video7010.mp4"),
    ],
)
def test_msrvtt_from_any_of_its_archives(home, tmp_path, archive: str, member: str) -> None:
    row = {"answer": "star", "category_id": 14, "id": 170859, "question": "what moves?", "video_id": 7010}
    lay(tmp_path, "test_qa.json", [row])
    with zipfile.ZipFile(tmp_path / archive, "w") as out:
        out.writestr(member, clip(4, size=(72, 96)))
    (manifest,) = build(home, tmp_path, name="msrvtt_qa")
    assert (manifest.split, manifest.num_annotations) == ("test", 1)
    ((sample, _),) = samples(home, "msrvtt_qa", "test")
    assert sample.key == "msrvtt_qa-test-000000007010"
    assert (sample.media.width, sample.media.height) == (72, 96)
    assert sample.annotations[0].extra == {"category_id": 14}


def lay_ivqa(folder, *lines: str, header: str = HEADER, ends: str = "\n", mark: str = ""):
    folder.mkdir(parents=True, exist_ok=True)
    text = mark + ends.join((header, *lines)) + ends
    (folder / "test.csv").write_bytes(text.encode())
    return folder


def test_ivqa_counts_five_answers(home, tmp_path) -> None:
    lay_ivqa(
        tmp_path,
        'a1B2c3D4e5F,12,27,"What is drawn, and in ""red""?",star,star, red  star,,star',
        "a1B2c3D4e5F,40.0,41.50,What?,,,,,",
        "-bcdefghijk,3,9,What\tnow?,a,b,c,d,e",
    )
    (manifest,) = build(home, tmp_path, name="ivqa", media=False)
    assert (manifest.num_annotations, manifest.num_drops) == (2, 1)
    assert drops(home, "ivqa", "test") == [("test-00001", "no answers")]
    (other, _), (sample, _) = samples(home, "ivqa", "test")
    assert sample.key == "ivqa-test-a1B2c3D4e5F_12_27"
    assert sample.media.source_name == "ivqa_clips/a1B2c3D4e5F_12_27.mp4"
    (annotation,) = sample.annotations
    assert annotation.question == 'What is drawn, and in "red"?'
    assert [(a.text, a.count) for a in annotation.answers] == [("star", 3), ("red star", 1)]
    assert annotation.extra == {"start": "12", "end": "27"}
    assert other.annotations[0].question == "What now?"


@pytest.mark.parametrize(
    ("start", "name"), [("12", "12"), ("12.0", "12"), ("12.50", "12.5"), ("120", "120"), ("0", "0")]
)
def test_clip_names_have_no_trailing_zeros(home, tmp_path, start: str, name: str) -> None:
    lay_ivqa(tmp_path, f"a1B2c3D4e5F,{start},130,What?,a,b,c,d,e")
    build(home, tmp_path, name="ivqa", media=False)
    ((sample, _),) = samples(home, "ivqa", "test")
    assert sample.media.source_name == f"ivqa_clips/a1B2c3D4e5F_{name}_130.mp4"


def test_ivqa_without_times_names_the_clip_by_its_video(home, tmp_path) -> None:
    header = "question,answer1,answer2,answer3,answer4,answer5,video_id,conf"
    lay_ivqa(tmp_path, "What?,a,a,a,a,a,a1B2c3D4e5F,5", header=header)
    build(home, tmp_path, name="ivqa", media=False)
    ((sample, _),) = samples(home, "ivqa", "test")
    assert sample.media.source_name == "ivqa_clips/a1B2c3D4e5F.mp4"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("a1B2c3D4e5F,1,2,What?,a,b,c,d", "line 2: expected 9 cells, found 8"),
        ("a1B2c3D4e5F,1,2,What?,a,b,c,d,e,f", "line 2: expected 9 cells, found 10"),
        ('a1B2c3D4e5F,1,2,"What?,a,b,c,d,e', "line 2: cannot be read as CSV"),
        ("../etc/passwd,1,2,What?,a,b,c,d,e", "line 2: 'video_id': expected the id of a YouTube video"),
        (",1,2,What?,a,b,c,d,e", "line 2: 'video_id': expected the id of a YouTube video"),
        ("a1B2c3D4e5F,soon,2,What?,a,b,c,d,e", "line 2: 'start': expected seconds, found 'soon'"),
        ("a1B2c3D4e5F,1,-2,What?,a,b,c,d,e", "line 2: 'end': expected seconds, found '-2'"),
    ],
)
def test_a_faulty_line_of_ivqa_is_named(home, tmp_path, line: str, what: str) -> None:
    with pytest.raises(DataError, match=f"ivqa: test.csv: {what}"):
        build(home, lay_ivqa(tmp_path, line), name="ivqa", media=False)


def test_ivqa_clips_come_from_a_person_or_a_mirror(home, tmp_path) -> None:
    source = lay_ivqa(tmp_path / "source", "a1B2c3D4e5F,12,27,What?,a,b,c,d,e")
    official = Fetcher(downloads=home.downloads)
    job = Build(home=home, fetcher=official, folders=SourceFolders((source,)), options=Options())
    with pytest.raises(DataError, match=r"clips to be cut by oneself.*put the clips as VIDEO_START_END.mp4") as caught:
        build_dataset(load_card("ivqa"), job)
    assert "--source (or build with --no-media)" in str(caught.value)
    place = tmp_path / "mirror" / "ivqa-clips.invalid" / "a1B2c3D4e5F_12_27.mp4"
    place.parent.mkdir(parents=True)
    place.write_bytes(clip(4))
    with serve(tmp_path / "mirror") as address:
        fetcher = Fetcher(downloads=home.downloads, mirror=address)
        (manifest,) = build_dataset(
            load_card("ivqa"), Build(home=home, fetcher=fetcher, folders=job.folders, options=Options())
        )
    assert manifest.num_samples == 1


def csv_files(tmp_path, data: bytes) -> Files:
    path = tmp_path / "test.csv"
    path.write_bytes(data)
    file = next(file for file in load_card("ivqa").files if file.split == "test")
    located = {"annotations": Located(file=file, path=path, member=None, sha256="")}
    return Files(dataset="ivqa", split="test", form=None, located=located)


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\n1,2\n\n3,4\n",
        b"\xef\xbb\xbfa,b\r\n1,2\r\n3,4",
        b'"a","b"\n"1",2\n3,"4"\n',
        b"b,new,a\n2,x,1\n4,y,3\n",
    ],
)
def test_csv_is_read_with_any_line_ends_and_column_order(tmp_path, data: bytes) -> None:
    found = list(csv_files(tmp_path, data).csv("annotations", ("a", "b")))
    assert [(row.get("a", str), row.get("b", str)) for row in found] == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "expected a header with a, b, found an empty file"),
        (b"a,c\n1,2\n", "no column 'b' in the header 'a,c'"),
        (b"a,b,b\n1,2,3\n", "a column twice in the header"),
        (b"<!DOCTYPE html><html>\n", "no column 'a' in the header"),
        (b"a,b\n\xff,2\n", "cannot be read as UTF-8"),
        (b"a,b\n1,2\n3\n", "line 3: expected 2 cells, found 1; the file is cut short"),
        (b'a,b\n1,"two\nlines"\n3\n', "line 4: expected 2 cells"),
    ],
)
def test_a_faulty_csv_is_one_clear_line(tmp_path, data: bytes, what: str) -> None:
    with pytest.raises(DataError, match=f"ivqa: test.csv: {what}"):
        list(csv_files(tmp_path, data).csv("annotations", ("a", "b")))


def test_a_cell_may_be_long_and_hold_line_breaks(tmp_path) -> None:
    text = "word\r\n" * 200_000
    (row,) = csv_files(tmp_path, f'a,b\n1,"{text}"\n'.encode()).csv("annotations", ("a", "b"))
    assert row.get("b", str) == text


def test_a_table_without_a_header_has_the_names_that_are_given(tmp_path) -> None:
    files = csv_files(tmp_path, b"x y\tone\nz\ttwo\n")
    found = list(files.csv("annotations", ("text", "number"), delimiter="\t", has_header=False))
    assert [dict(row.values) for row in found] == [{"text": "x y", "number": "one"}, {"text": "z", "number": "two"}]


def test_other_extensions_belong_to_the_store() -> None:
    store = media_stores()["msvd_videos"]
    assert store.tails("a_1_2") == ("a_1_2.avi", "a_1_2.mp4", "a_1_2.mkv", "a_1_2.webm")
    assert store.names(PurePosixPath("YouTubeClips/a_1_2.mkv"))
    assert not store.names(PurePosixPath("YouTubeClips/a_1_2.jpg"))
    stem = "COCO_val2014_000000000009"
    assert media_stores()["coco_val2014"].tails(9) == tuple(f"{stem}.{e}" for e in ("jpg", "jpeg", "JPG", "JPEG"))


def test_the_first_extension_wins(home, tmp_path) -> None:
    for extension in ("webm", "avi", "mp4"):
        (tmp_path / f"a_1_2.{extension}").write_bytes(b"x")
    ref = MediaRef("msvd_videos", "a_1_2")
    found = find_media([ref], "msvd_qa", SourceFolders((tmp_path,)), Fetcher(downloads=home.downloads))
    assert found.places[ref].path.suffix == ".avi"


@pytest.mark.parametrize("data", [b"", b"<html>gone</html>" * 99, clip(3)[:900], b"\xff\xd8\xff\xe0"])
def test_bytes_that_are_not_a_clip_do_not_open(data: bytes) -> None:
    with pytest.raises(MediaError):
        open_clip(data)


def test_a_container_without_its_own_extension_is_rejected() -> None:
    with pytest.raises(MediaError, match=r"is no clip of a known kind \(mpegts\)"):
        open_clip(clip(30, container="mpegts"))


def test_without_pyav_only_video_datasets_fail(cli, home, monkeypatch) -> None:
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "av", None)
        alone = cli("build", "msvd_qa", "--mini", "--home", home.root)
        assert (alone.code, len(alone.err.splitlines())) == (1, 1)
        assert alone.err == "ib-data: clips need PyAV: pip install 'ib-data[video]'\n"
        result = cli("build", "ivqa", "vsr", "msvd_qa", "--mini", "--home", home.root)
        assert result.code == 1
        assert "not built: clips need PyAV: pip install 'ib-data[video]'" in result.err
        assert result.err.splitlines()[-1] == "ib-data: 2 of 3 datasets were not built: ivqa, msvd_qa"
        assert "vsr/test: " in result.out
        assert cli("build", "msvd_qa", "--mini", "--no-media", "--home", home.root).code == 0
    assert cli("build", "msvd_qa", "--mini", "--home", home.root).code == 0
    checked = cli("check", "msvd_qa", "--decode", "--home", home.root, "--json")
    assert json.loads(checked.out) == {"msvd_qa/test": []}


@pytest.fixture
def two_clips(home, tmp_path):
    """A home with msvd_qa of two clips."""
    source = lay_msvd(tmp_path / "source", [msvd_row(0), msvd_row(1, 1452)])
    for name in NAMES.values():
        (source / f"{name}.mp4").write_bytes(clip(3))
    build(home, source, name="msvd_qa")
    return home


def test_without_pyav_check_says_that_clips_were_not_decoded(cli, two_clips, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    checked = cli("check", "msvd_qa", "--decode", "--home", two_clips.root)
    assert checked.code == 1
    remedy = "clips need PyAV: pip install 'ib-data[video]'"
    assert checked.out.splitlines() == [
        "msvd_qa/test: checked in part",
        f"  2 clips were only compared, not decoded; {remedy}",
    ]
    assert "msvd_qa/test: no problem found" in checked.err
    assert checked.err.endswith(f"{remedy}\n")
    assert cli("check", "msvd_qa", "--home", two_clips.root).code == 0


def test_without_pyav_check_still_compares_clips(cli, two_clips, monkeypatch) -> None:
    shard = next(two_clips.split("msvd_qa", "test").glob("*.tar"))
    data = shard.read_bytes()
    shard.write_bytes(data[:1500] + bytes([data[1500] ^ 1]) + data[1501:])
    monkeypatch.setitem(sys.modules, "av", None)
    checked = cli("check", "msvd_qa", "--decode", "--home", two_clips.root)
    assert checked.code == 1
    assert "the media differ from the checksum in the index" in checked.out
    assert "2 clips were only compared" in checked.out
    assert "differ from their manifest" in checked.err
