"""Before fetching, a build reports all files to fetch by hand and the size of the download."""

import json
from pathlib import Path

import pytest
from official import lay, lay_vqav2
from sources_of import put

from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.builders.write.needs import needs_of
from ib_data.cards import load_card, media_stores
from ib_data.console import size_text
from ib_data.home import Home

pytestmark = pytest.mark.usefixtures("no_catalog")


@pytest.fixture
def offline(monkeypatch) -> None:
    """Any download is a failure of the test."""
    monkeypatch.setattr(Fetcher, "fetch", lambda *_: pytest.fail("something was fetched"))


def build_of(home: Home, *roots: Path, mirror: str | None = None, **options: object) -> Build:
    fetcher = Fetcher(downloads=home.downloads, mirror=mirror)
    return Build(home=home, fetcher=fetcher, folders=SourceFolders(roots, home), options=Options(**options))


@pytest.mark.usefixtures("offline")
def test_all_gates_are_reported_at_once_and_nothing_is_fetched(cli, home) -> None:
    result = cli("build", "vsr", "ocrvqa", "flickr30k", "ivqa", "--home", home.root)
    assert (result.code, result.out) == (1, "")
    *told, last = result.err.splitlines()
    assert [line.partition(": ")[0] for line in told] == ["ocrvqa", "flickr30k", "ivqa", "ivqa"]
    for line, (what, where) in zip(
        told,
        [
            ("dataset.json", "https://drive.google.com/drive/folders/1_GYPY5UkUy7HIcR0zq3ZCFgeZN7BAfm_"),
            ("flickr30k-images", "https://shannon.cs.illinois.edu/DenotationGraph/"),
            ("test.csv", "https://drive.google.com/drive/folders/14e7hUcy4Ti25HdRRH5LUpuJTik2cjlzb"),
            ("", "cut [start, end]"),
        ],
        strict=True,
    ):
        assert what in line
        assert "must be fetched by hand" in line
        assert where in line
        assert "with --source" in line
    assert last.startswith("ib-data: 3 of 4 datasets have files that must be fetched by hand: ocrvqa, flickr30k, ivqa;")
    assert last.endswith("nothing was fetched; build the others by name (vsr), or add --allow-missing")
    assert not home.root.exists()


def test_with_allow_missing_the_others_are_built(cli, home, tmp_path) -> None:
    for name in ("train", "dev", "test"):
        row = {"image_link": "x/train2017/000000000001.jpg", "image": "", "caption": "It is.", "label": 1}
        url = next(file for file in load_card("vsr").files if file.name == f"{name}.jsonl")
        lay(home.downloads / Path(url.place).parent, f"{name}.jsonl", row)
    result = cli("build", "msvd_qa", "vsr", "--no-media", "--allow-missing", "--home", home.root)
    assert result.code == 1
    assert result.err.splitlines()[0] == "not built, files must be fetched by hand: msvd_qa"
    assert "vsr/test: 1 of " in result.out
    assert result.err.endswith("ib-data: 1 of 2 datasets were not built: msvd_qa\n")


@pytest.mark.usefixtures("offline")
def test_a_single_dataset_reports_its_gate_before_fetching(cli, home) -> None:
    result = cli("build", "flickr30k", "--home", home.root)
    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert result.err.startswith("ib-data: flickr30k: ")
    assert "request the photos" in result.err


def test_download_bytes_are_counted_once_per_file(home, tmp_path) -> None:
    okvqa, vqav2 = load_card("okvqa"), load_card("vqav2")
    coco = {"coco_train2014", "coco_val2014", "coco_test2015"}
    both = needs_of([okvqa, vqav2], build_of(home))
    assert {file.url for file in both.media} == {media_stores()[name].file.url for name in coco}
    sizes = sum(media_stores()[name].file.num_bytes for name in coco)
    assert f"at most {size_text(sizes)} of images and clips" in both.line
    assert not both.by_hand
    known = sum(file.num_bytes or 0 for file in both.files)
    assert both.line.startswith(f"to fetch: {size_text(known)}")
    annotations = needs_of([okvqa, vqav2], build_of(home, media=False))
    assert (annotations.files, annotations.media) == (both.files, ())


def test_existing_files_are_not_counted(home, tmp_path) -> None:
    vqav2, archive = load_card("vqav2"), media_stores()["coco_train2014"].file
    there = build_of(home, lay_vqav2(tmp_path / "source"))
    assert needs_of([vqav2], there, "train").files == ()
    assert needs_of([vqav2], there, "train").media == ()  # what the source lacks of its images is not fetched
    fetcher = build_of(home).fetcher
    for file in needs_of([vqav2], build_of(home)).files:
        put(fetcher.place(file), b"fetched before")
    put(fetcher.place(archive), b"fetched before")
    left = needs_of([vqav2], build_of(home))
    assert not left.files
    assert archive not in left.media


def test_a_mirror_opens_gates_and_single_images_have_no_known_size(home, tmp_path) -> None:
    cards = [load_card(name) for name in ("ocrvqa", "flickr30k")]
    needs = needs_of(cards, build_of(home, mirror=(tmp_path / "mirror").as_uri()))
    assert not needs.by_hand
    assert needs.one_by_one == ("ocrvqa",)
    assert "missing images or clips of ocrvqa, one by one" in needs.line


def test_the_download_size_is_printed_before_a_build(cli, home, tmp_path) -> None:
    result = cli("build", "vsr", "--no-media", "--mirror", (tmp_path / "none").as_uri(), "--home", home.root)
    sizes = sum(file.num_bytes for file in load_card("vsr").files if file.split in ("train", "validation", "test"))
    assert result.err.splitlines()[0] == f"to fetch: {size_text(sizes)}"
    assert "the mirror has no such file" in result.err.splitlines()[-1]


def test_a_dry_run_says_the_bytes_that_a_build_says(cli, home) -> None:
    cards = [load_card("gqa"), load_card("vsr")]
    result = cli("build", "gqa", "vsr", "--dry-run", "--home", home.root)
    *rows, last = result.out.splitlines()
    assert last == needs_of(cards, build_of(home)).line
    archives = {name: media_stores()[name].file.num_bytes for card in cards for name in card.media}
    assert sum(archives.values()) > 20 * 10**9
    assert f"at most {size_text(sum(archives.values()))} of images and clips" in last
    for name, num_bytes in archives.items():
        assert any(f" {name} " in row and f" {size_text(num_bytes)} " in row for row in rows), name
    plain = json.loads(cli("build", "gqa", "vsr", "--dry-run", "--json", "--home", home.root).out)
    assert {step["input"]: step["bytes_to_fetch"] for step in plain if step["input"] in archives} == archives


def test_a_dry_run_counts_nothing_that_is_here_or_fetched_by_hand(cli, home) -> None:
    archive = media_stores()["coco_train2014"].file
    put(build_of(home).fetcher.place(archive), b"fetched before")
    cards = [load_card("okvqa"), load_card("msvd_qa")]
    result = cli("build", "okvqa", "msvd_qa", "--dry-run", "--home", home.root)
    assert result.out.splitlines()[-1] == needs_of(cards, build_of(home)).line
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    (row,) = (line for line in lines if line.startswith("okvqa/train coco_train2014 "))
    assert " - http" in row
    assert "at hand" in row
