"""A build never silently replaces a better one, says if there is nothing to do, and repairs damage."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from official import lay, lay_vqav2, vqa_answer

from ib_data.builders.write import build as build_module
from ib_data.builders.write.build_options import Options
from ib_data.builders.write.existing import require_replace
from ib_data.cards import load_card
from ib_data.cards.kinds import drops_in_words, kind_of
from ib_data.errors import DataError
from ib_data.home import MANIFEST
from ib_data.stored.manifest import DROPS, INDEX, read_manifest

pytestmark = pytest.mark.usefixtures("no_catalog")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return lay_vqav2(tmp_path / "source", num_images=4)


@pytest.fixture
def built(cli, home, source):
    """A run of `build vqav2` in a home in which all of `source` is built."""

    def run(*more: object, folder: Path = source):
        return cli("build", "vqav2", "--source", folder, "--workers", 1, "--home", home.root, *more)

    assert run().code == 0
    return run


def state(home) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.split("vqav2", "train").iterdir()}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--no-media",), "without media"),
        (("--limit", 2), "limited to 2 instead of all"),
        (("--limit", 100), "limited to 100 instead of all"),
        (("--max-side", 20), "images of at most 20 px instead of full size"),
    ],
)
def test_a_worse_build_without_replace_fails_before_planning(
    home, built, monkeypatch, options: tuple, says: str
) -> None:
    before = state(home)
    with monkeypatch.context() as patch:
        patch.setattr(build_module, "group", lambda *_: pytest.fail("planned"))
        result = built(*options)
    share = "less than 0.01 % of the official size"
    assert (result.code, result.err) == (
        1,
        f"ib-data: vqav2: train is built here with 8 annotations, {share}; this build would replace it: {says}; "
        "replace it with --replace, or choose another --home\n",
    )
    assert state(home) == before
    result = built(*options, "--replace")
    assert result.code == 0
    assert "replacing the earlier build of 8 annotations" in result.err
    assert built().code == 0  # better than what is there now


def test_fewer_annotations_need_replace(home, built, source, tmp_path) -> None:
    small = lay_vqav2(tmp_path / "small", num_images=3)
    before = state(home)
    result = built(folder=small)
    assert result.code == 1
    assert "this build would replace it: 6 annotations instead of 8; replace it with --replace" in result.err
    assert state(home) == before
    assert built("--replace", folder=small).code == 0
    assert read_manifest(home.split("vqav2", "train"), "vqav2").num_annotations == 6


def test_newly_broken_images_do_not_shrink_a_build_silently(home, built, source) -> None:
    (source / "train2014" / "COCO_train2014_000000000003.jpg").write_bytes(b"<html>")
    before = state(home)
    result = built("--allow-missing")
    assert result.code == 1
    assert "6 annotations instead of 8" in result.err
    assert state(home) == before
    assert built("--allow-missing", "--replace").out.count("; 2 dropped: media unreadable; ") == 1


def test_another_form_needs_replace(home, built) -> None:
    manifest = read_manifest(home.split("vqav2", "train"), "vqav2")
    earlier = replace(manifest, recipe={**manifest.recipe, "form": "karpathy"})
    for form in ("official", ""):
        recipe = {**manifest.recipe, "form": form}
        with pytest.raises(DataError, match=f"would replace it: form {form or 'unnamed'} instead of karpathy"):
            require_replace(earlier, recipe, Options())
        require_replace(earlier, recipe, Options(replace=True))
    require_replace(earlier, earlier.recipe, Options(), manifest.num_annotations)


def test_the_same_command_says_already_built(home, built) -> None:
    before = home.split("vqav2", "train").stat().st_mtime_ns
    result = built()
    assert result.out.startswith(
        "vqav2/train: already built, unchanged: 8 of 443,757 annotations (less than 0.01 %) on "
    )
    assert home.split("vqav2", "train").stat().st_mtime_ns == before


def test_a_build_without_media_is_recognised_before_planning(home, built, monkeypatch) -> None:
    assert built("--no-media", "--replace").code == 0
    monkeypatch.setattr(build_module, "group", lambda *_: pytest.fail("planned"))
    assert "already built, unchanged" in built("--no-media", "--replace").out
    monkeypatch.setattr("ib_data.builders.write.unchanged.__version__", "999")
    with pytest.raises(pytest.fail.Exception):  # another version may read the files otherwise
        built("--no-media")


def test_another_source_is_noticed_before_planning(home, built, source) -> None:
    assert built("--no-media", "--replace").code == 0
    path = source / "v2_OpenEnded_mscoco_train2014_questions.json"
    path.write_text(path.read_text().replace("Question 0 of 1?", "Why?"))
    result = built("--no-media")
    assert "already" not in result.out
    assert "(changed: plan_sha256, sources)" in result.err


def harm(path: Path, kind: str) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    {
        "flip": lambda: path.write_bytes(data),
        "cut": lambda: path.write_bytes(data[:100]),
        "empty": lambda: path.write_bytes(b""),
        "gone": path.unlink,
    }[kind]()


@pytest.mark.parametrize("kind", ["flip", "cut", "empty", "gone"])
@pytest.mark.parametrize("name", [MANIFEST, INDEX, DROPS, "vqav2-train-000000.tar"])
def test_a_build_repairs_what_check_finds(cli, home, built, name: str, kind: str) -> None:
    before = state(home)
    path = home.split("vqav2", "train") / name
    if name == MANIFEST and kind == "flip":
        pytest.skip("a manifest has no checksum of its own")
    harm(path, kind)
    assert name == MANIFEST or cli("check", "vqav2", "--home", home.root).code == 1
    result = built()
    assert result.code == 0, result.err
    assert "already" not in result.out
    assert state(home) == before
    assert cli("check", "vqav2", "--home", home.root).out == "vqav2/train: ok\n"


def test_a_flipped_bit_with_unchanged_time_is_repaired_after_check(cli, home, built) -> None:
    before = state(home)
    path = home.split("vqav2", "train") / "vqav2-train-000000.tar"
    times = path.stat()
    harm(path, "flip")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "already" in built().out
    assert cli("check", "vqav2", "--home", home.root).code == 1
    assert "already" not in built().out
    assert state(home) == before


def test_files_of_another_split_are_noticed_and_repaired(cli, home, built, tmp_path) -> None:
    before = state(home)
    folder = home.split("vqav2", "train")
    other = lay(tmp_path / "t", "v2_OpenEnded_mscoco_test2015_questions.json", {
        "questions": [{"image_id": 7, "question": "What?", "question_id": i} for i in range(8)],
        "data_subtype": "test2015",
    }).parent  # fmt: skip
    result = cli("build", "vqav2", "--split", "test", "--no-media", "--source", other, "--home", home.root)
    assert result.code == 0, result.err
    shutil.copy(home.split("vqav2", "test") / INDEX, folder / INDEX)
    checked = cli("check", "vqav2", "--home", home.root)
    assert "index.parquet: is of vqav2/test" in checked.out
    shown = cli("show", "vqav2", "--split", "train", "--home", home.root)
    assert (shown.code, "index.parquet: is of vqav2/test, not of vqav2/train; build vqav2" in shown.err) == (
        1,
        True,
    )
    assert built().code == 0
    assert state(home) == before


def test_official_data_replaces_the_miniature_and_not_vice_versa(cli, home, source) -> None:
    mini = ("build", "vqav2", "--mini", "--split", "train", "--mini-size", 12, "--workers", 1, "--home", home.root)
    assert cli(*mini).code == 0
    official = ("build", "vqav2", "--source", source, "--no-media", "--limit", 2, "--home", home.root)
    result = cli(*official)
    assert result.code == 0
    assert "vqav2/train: official data replace the miniature of " in result.err
    result = cli(*mini, "--replace")
    assert (result.code, "the miniature would replace it; choose another --home" in result.err) == (1, True)


def test_a_source_without_kept_rows_is_an_error_and_replaces_nothing(home, built, source) -> None:
    before = state(home)
    path = source / "v2_mscoco_train2014_annotations.json"
    values = json.loads(path.read_text())
    for annotation in values["annotations"]:
        annotation["answers"] = [vqa_answer(" ")]
    path.write_text(json.dumps(values))
    staged = home.staging("vqav2", "train") / "whole" / DROPS
    for more in (("--replace",), ("--replace", "--limit", 1)):
        result = built(*more)
        assert result.code == 1
        assert result.out == ""
        assert result.err.splitlines()[-1] == (
            "ib-data: vqav2: train: no row is kept, so nothing is built: 8 dropped: no answers; is this the file of "
            f"another split or dataset? {staged} lists each row with the reason"
        )
        assert pq.read_metadata(staged).num_rows == 8
    assert state(home) == before


def test_a_default_split_without_kept_rows_is_left_out(home, tmp_path, cli) -> None:
    for name, caption in (("train", "It is."), ("dev", "")):
        row = {"image_link": "x/train2017/000000000001.jpg", "image": "", "caption": caption, "label": 1}
        lay(tmp_path / "s", f"{name}.jsonl", row)
    command = ("build", "vsr", "--source", tmp_path / "s", "--no-media", "--home", home.root)
    result = cli(*command)
    assert result.code == 0
    assert result.out.startswith("vsr/train: 1 of 3,489 annotations")
    assert "left out: vsr: validation: no row is kept, so nothing is built: 1 dropped: no statement" in result.err
    assert not home.split("vsr", "validation").exists()
    assert cli(*command, "--split", "validation").code == 1


def test_rows_beyond_the_limit_are_not_drops(home, tmp_path, cli) -> None:
    """Of images 1 to 4 the questions 10 of 2 and 12 of 4 have no answers, and 11, of 3, no annotation."""
    questions = [{"image_id": i, "question": f"Q{i}?", "question_id": i} for i in (4, 1, 3, 2)]
    questions += [{"image_id": i, "question": "?", "question_id": i + 8} for i in (2, 3, 4)]
    annotations = [{"question_id": i, "answers": [vqa_answer("yes")]} for i in (1, 2, 3, 4)]
    annotations += [{"question_id": i, "answers": []} for i in (10, 12)]
    lay(tmp_path / "s", "v2_OpenEnded_mscoco_train2014_questions.json", {"questions": questions})
    lay(tmp_path / "s", "v2_mscoco_train2014_annotations.json", {"annotations": annotations})
    expected = {1: [], 2: ["10", "11"], 3: ["10", "11"], 4: ["10", "11", "12"], 9: ["10", "11", "12"]}
    for limit, ids in expected.items():
        command = ("build", "vqav2", "--source", tmp_path / "s", "--no-media", "--home", home.root, "--replace")
        assert cli(*command, "--limit", limit).code == 0
        dropped = pq.read_table(home.split("vqav2", "train") / DROPS).column("source_id").to_pylist()
        assert sorted(dropped) == ids, limit


def test_every_verb_shows_the_kind_of_a_build(cli, home, source, tmp_path) -> None:
    options = ("--limit", 2, "--max-side", 20)
    made = cli("build", "vqav2", "--source", source, *options, "--workers", 1, "--home", home.root)
    share = "less than 0.01 % of the official size"
    kinds = ["limited to 2", "images of at most 20 px", share]
    kind = ", ".join(kinds)
    assert "4 of 443,757 annotations (less than 0.01 %) on 2 images, limited to 2, images of at most 20 px;" in made.out
    assert f"train 4 ({kind})" in cli("list", "--home", home.root).out
    rows = {row["name"]: row for row in json.loads(cli("list", "--json", "--home", home.root).out)}
    assert rows["vqav2"]["built"]["train"]["kind"] == rows["vqav2_qg"]["built"]["train"]["kind"] == kinds
    assert kind in cli("card", "vqav2", "--home", home.root).out
    values = json.loads(cli("card", "vqav2", "--format", "json", "--home", home.root).out)
    assert values["built"]["train"]["kind"] == kinds
    assert cli("show", "vqav2", "--home", home.root).out.startswith(f"vqav2/train: {kind}\n")
    page = tmp_path / "page.html"
    assert cli("show", "vqav2", "--html", page, "--home", home.root).code == 0
    assert f"annotations: {kind}; " in page.read_text()
    sql = "SELECT kind, num_drops FROM datasets WHERE name = 'vqav2' AND split = 'train'"
    assert json.loads(cli("sql", sql, "--format", "json", "--home", home.root).out) == [{"kind": kind, "num_drops": 0}]


def test_a_complete_official_build_has_no_kind(home, built) -> None:
    manifest = read_manifest(home.split("vqav2", "train"), "vqav2")
    assert kind_of(replace(manifest, num_annotations=443_757), load_card("vqav2")) == ()
    assert kind_of(replace(manifest, num_annotations=443_756), load_card("vqav2")) == ("99.9 % of the official size",)
    odd = replace(manifest, num_annotations=443_757, recipe={"limit": "x", "max_side": None, "media": False})
    assert kind_of(odd, load_card("vqav2")) == ("without media",)


def test_drops_are_counted_by_reason() -> None:
    assert drops_in_words({}) == "none dropped"
    assert drops_in_words({"media missing": 1000}) == "1,000 dropped: media missing"
    assert drops_in_words({"b": 1, "a": 1, "c": 5}) == "7 dropped: 5 c, 1 a, 1 b"


def test_a_damaged_manifest_does_not_allow_a_worse_build(cli, home, source, built) -> None:
    manifest = home.split("vqav2", "train") / "manifest.json"
    for worse in (("--no-media",), ("--limit", "1")):
        manifest.write_text("{")
        refused = built(*worse)
        assert refused.code == 1
        assert "its manifest is damaged, and by its index this build would hold less" in refused.err
    assert built().code == 0
