"""Real questions of MSVD-QA and real clips, of MSVD and of other collections.

`msvd_qa/reassembled` is class C: the values of the validation split are real, and were put back into the official
layout. Its mapping names the 245 videos of that split alone. The three clips of MSVD are MP4 copies of the official
AVI files. Nothing real was found of MSRVTT-QA and iVQA.
"""

import json
import shutil
from collections import Counter

import numpy as np
import pytest
from toy_clips import sequential

from ib_data.media.frames import frames, inspect, middles
from ib_data.media.opened_clip import open_clip

pytestmark = pytest.mark.real
MSVD = "msvd_qa/reassembled"
VALIDATION = ("--split", "validation")
CLIPS = {
    "msvd/QzulzuWr0Zw_20_45.mp4": (376, 480, 360),
    "msvd/rlQ2kW-FvMk_66_79.mp4": (390, 632, 480),
    "msvd/ysTmUTQ5wZE_17_45.mp4": (828, 480, 360),
    "other/making_cake.mp4": (300, 320, 426),
    "other/playing_guitar.mp4": (300, 470, 320),
    "other/sync_test.mkv": (1891, 192, 108),
    "other/test_video_66x50.mov": (82, 66, 50),
    "other/yoga.mp4": (300, 568, 320),
    "broken/runs_detect_predict_video1.mp4": (1, 640, 360),
}


def test_msvd_validation_reassembled(real, build, rows, drops) -> None:
    build("msvd_qa", MSVD, more=(*VALIDATION, "--no-media"))
    found = rows("msvd_qa", "validation")
    assert len(found) == 6415
    assert len({row["key"] for row in found.values()}) == 245
    assert drops("msvd_qa", "validation") == []
    official = json.loads((real / MSVD / "val_qa.json").read_text())
    for row in official:
        ours = found[str(row["id"])]
        assert ours["question"] == " ".join(row["question"].split())
        assert ours["answers"] == [{"text": row["answer"], "count": 1}]
        assert json.loads(ours["extra"]) == {"video_id": row["video_id"]}


def test_one_question_with_several_answers_is_several_annotations(build, rows) -> None:
    build("msvd_qa", MSVD, more=(*VALIDATION, "--no-media"))
    found = rows("msvd_qa", "validation")
    three = [found[name] for name in ("30974", "30976", "30978")]
    assert len({row["question"] for row in three}) == 1
    assert len({row["answers"][0]["text"] for row in three}) == 3
    assert {row["key"] for row in three} == {"msvd_qa-validation-bQJQGoJF7_k_162_169"}
    assert any(row["answers"][0]["text"] == "pmy" for row in found.values())


def test_a_video_that_the_mapping_does_not_name_is_a_counted_drop(real, home, cli, tmp_path, rows, drops) -> None:
    mapping = (real / MSVD / "youtube_mapping.txt").read_text().splitlines(keepends=True)
    (tmp_path / "val_qa.json").write_bytes((real / MSVD / "val_qa.json").read_bytes())
    (tmp_path / "youtube_mapping.txt").write_text("".join(line for line in mapping if not line.endswith("vid1201\n")))
    result = cli("build", "msvd_qa", "--source", tmp_path, *VALIDATION, "--no-media", "--home", home.root)
    assert result.code == 0, result.err
    official = json.loads((real / MSVD / "val_qa.json").read_text())
    lost = {str(row["id"]) for row in official if row["video_id"] == 1201}
    assert drops("msvd_qa", "validation") == [(name, "video without a clip name") for name in sorted(lost)]
    assert len(rows("msvd_qa", "validation")) == 6415 - len(lost)


def test_the_three_clips_are_of_no_video_of_the_validation_split(cli, home, real, tmp_path) -> None:
    """What the mapping gives: it names none of them (they belong to other splits), so every sample is missing."""
    names = {path.stem for path in (real / "media" / "video" / "msvd").iterdir()}
    mapping = {line.split()[0] for line in (real / MSVD / "youtube_mapping.txt").read_text().splitlines()}
    assert len(names) == 3
    assert not names & mapping
    shutil.copytree(real / "media" / "video" / "msvd", tmp_path / "YouTubeClips")
    sources = ("--source", real / MSVD, "--source", tmp_path)
    refused = cli("build", "msvd_qa", *sources, *VALIDATION, "--home", home.root)
    assert refused.code == 1
    assert "245 of 245 videos are missing (6,415 annotations)" in refused.err


def test_real_clips_under_a_mapping_that_names_them(real, home, cli, tmp_path, rows, media) -> None:
    """The official questions of three videos, whose numbers are given to the three clips that are there."""
    paths = sorted((real / "media" / "video" / "msvd").iterdir())
    official = json.loads((real / MSVD / "val_qa.json").read_text())
    chosen = [number for number, _ in Counter(row["video_id"] for row in official).most_common(3)]
    asked = [row for row in official if row["video_id"] in chosen]
    (tmp_path / "val_qa.json").write_text(json.dumps(asked))
    lines = (f"{path.stem} vid{number}\n" for path, number in zip(paths, chosen, strict=True))
    (tmp_path / "youtube_mapping.txt").write_text("".join(lines))
    sources = ("--source", tmp_path, "--source", real / "media" / "video" / "msvd")
    result = cli("build", "msvd_qa", *sources, *VALIDATION, "--home", home.root)
    assert result.code == 0, result.err
    found = rows("msvd_qa", "validation")
    assert len(found) == len(asked)
    for path in paths:
        row = next(row for row in found.values() if path.stem in row["key"])
        assert media("msvd_qa", "validation", row) == path.read_bytes()
        assert (row["media_extension"], row["media_name"]) == ("mp4", f"YouTubeClips/{path.stem}.avi")
    assert cli("check", "msvd_qa", "--decode", "--home", home.root).code == 0


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_frames_of_real_clips(real, monkeypatch, name: str, decoder: str) -> None:
    """One is upright, some have sound, one has one frame, one an edit list that hides five frames."""
    if decoder == "decord":
        pytest.importorskip("decord")
    monkeypatch.setenv("IB_DATA_VIDEO", decoder)
    path = real / "media" / "video" / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    data = path.read_bytes()
    num_frames, width, height = CLIPS[name]
    clip = inspect(data)
    assert (clip.num_frames, clip.width, clip.height) == (num_frames, width, height)
    every = sequential(data)
    assert len(every) == num_frames
    found = frames(data)
    assert found.shape == (4, height, width, 3)
    assert np.array_equal(found, np.stack([every[i] for i in middles(num_frames, 4)]))


@pytest.mark.parametrize("name", [name for name in CLIPS if name.startswith("msvd")])
def test_a_real_clip_cut_short_does_not_open(real, name: str) -> None:
    data = (real / "media" / "video" / name).read_bytes()
    assert open_clip(data).extension == "mp4"
    for part in (0, 1000, len(data) // 2, len(data) * 4 // 5):
        with pytest.raises(Exception, match=r"is empty|is not a whole clip|is cut short"):
            open_clip(data[:part])
