"""OCR-VQA and Web CapFilt, whose images are fetched one by one, on small rows after the documented formats.

No official file of either was at hand.
"""

import io
import json
from collections import Counter
from pathlib import Path

import pytest
from mini_mirror import WORLD
from official import build, drops, lay, photo, samples
from PIL import Image

from ib_data.builders.miniature import ocrvqa as covers
from ib_data.builders.miniature import web_capfilt as links
from ib_data.builders.miniature.server import miniature_fetcher
from ib_data.builders.miniature.world.facts import named_shapes
from ib_data.builders.miniature.world.images import paint
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.web.crawl import crawl
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.write.build import build_dataset
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.cards import load_card
from ib_data.errors import DataError, IbDataError


def annotations(home, name: str, split: str) -> dict:
    return {a.id: a for sample, _ in samples(home, name, split) for a in sample.annotations}


def book(url: str, split: int = 1, **change: object) -> dict:
    asked = {"questions": ["Who wrote it?", "Is it a cookbook?"], "answers": ["Ann  Lee", "No"]}
    return {
        "imageURL": url,
        **asked,
        "title": "T",
        "authorName": "Ann Lee",
        "genre": "Poetry",
        "split": split,
        **change,
    }


def lay_books(folder: Path, books: dict[str, dict]) -> Path:
    lay(folder, "dataset.json", books)
    return folder


def test_ocrvqa_splits_by_its_own_field(home, tmp_path) -> None:
    books = {f"{n:010d}": book(f"http://x.org/{n}.jpg", split) for n, split in enumerate((1, 3, 2, 1))}
    source = lay_books(tmp_path / "s", books)
    for split, ids in {"train": (0, 3), "validation": (2,), "test": (1,)}.items():
        build(home, source, "ocrvqa", split, media=False)
        assert list(annotations(home, "ocrvqa", split)) == [f"{n:010d}-{turn}" for n in ids for turn in (0, 1)]
    found = annotations(home, "ocrvqa", "test")["0000000001-0"]
    assert found.answers[0].text == "Ann Lee"
    assert found.extra == {"title": "T", "authorName": "Ann Lee", "genre": "Poetry"}


def test_books_with_one_url_share_an_image_named_by_the_smallest_id(home, tmp_path) -> None:
    one, two = "http://x.org/I/1.GIF?a=2", "http://x.org/I/2"
    books = {"9": book(one), "30": book(one), "4": book(two), "5": book(one, 3), "6": book(" ")}
    build(home, lay_books(tmp_path / "s", books), "ocrvqa", media=False)
    found = {sample.key: sample for sample, _ in samples(home, "ocrvqa", "train")}
    assert set(found) == {"ocrvqa-train-30_GIF", "ocrvqa-train-4_jpg"}
    assert [a.id for a in found["ocrvqa-train-30_GIF"].annotations] == ["9-0", "9-1", "30-0", "30-1"]
    assert found["ocrvqa-train-30_GIF"].media.source_name == one
    assert drops(home, "ocrvqa", "train") == [("6-0", "no URL"), ("6-1", "no URL")]


def test_covers_from_the_authors_script_are_found(home, tmp_path) -> None:
    source = lay_books(tmp_path / "s", {"7": book("http://x.org/I/a.PNG"), "8": book("http://x.org/I/b.gif")})
    for name in ("7.PNG", "8.gif"):
        (source / "images").mkdir(exist_ok=True)
        Image.new("RGB", (40, 60), (9, 9, 90)).save(source / "images" / name)
    (manifest,) = build(home, source, "ocrvqa")
    assert (manifest.num_samples, manifest.num_drops) == (2, 0)
    (source / "images" / "8.gif").unlink()
    with pytest.raises(DataError, match="1 of 2 images are missing"):
        build(home, source, "ocrvqa")


def test_the_gate_error_of_ocrvqa_says_what_to_do(cli, home) -> None:
    result = cli("build", "ocrvqa", "--home", home.root)
    assert result.code == 1
    assert "must be fetched by hand (Google Drive)" in result.err
    assert "put dataset.json (and the folder images" in result.err


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"split": 4}, "7: 'split': expected 1"),
        ({"split": "1"}, "7: 'split': expected an integer"),
        ({"answers": ["No"]}, "7: 2 questions and 1 answers"),
        ({"questions": [1, 2]}, "7: 'questions': expected a list of texts"),
        ({"imageURL": 3}, "7: 'imageURL': expected a text"),
    ],
)
def test_a_faulty_book_is_named(home, tmp_path, change: dict, what: str) -> None:
    with pytest.raises(DataError, match=what):
        build(home, lay_books(tmp_path / "s", {"7": book("http://x.org/1.jpg", **change)}), "ocrvqa", media=False)


def lay_links(folder: Path, *rows: tuple[str, str], name: str = "ccs_synthetic_filtered_large.json") -> Path:
    lay(folder, name, [{"caption": text, "url": url} for url, text in rows])
    return folder


def test_rows_with_one_url_are_one_sample_and_dead_links_are_drops(home, tmp_path) -> None:
    good, gone = "http://x.org/a.jpg?w=1", "http://x.org/b.jpg"
    source = lay_links(
        tmp_path / "s", (good, "a  cat"), (gone, "a dog"), (f" {good}", "a small cat"), ("", "x"), (good, "")
    )
    mirror = tmp_path / "mirror" / "x.org"
    mirror.mkdir(parents=True)
    (mirror / "a.jpg").write_bytes(photo())
    job = Build(
        home=home,
        fetcher=Fetcher(downloads=home.downloads, mirror=mirror.parent.as_uri()),
        folders=SourceFolders((source,)),
        options=Options(),
    )
    (manifest,) = build_dataset(load_card("web_capfilt"), job)
    assert (manifest.num_samples, manifest.num_annotations, manifest.num_drops) == (1, 2, 3)
    ((sample, data),) = samples(home, "web_capfilt", "train")
    assert [(a.id, a.caption) for a in sample.annotations] == [("00000000", "a cat"), ("00000002", "a small cat")]
    assert (sample.media.source_name, data) == (good, photo())
    assert Counter(drops(home, "web_capfilt", "train")) == {
        ("00000003", "no URL"): 1, ("00000004", "no caption"): 1, ("00000001", "dead link"): 1,
    }  # fmt: skip
    assert build_dataset(load_card("web_capfilt"), job) == [manifest]


def test_a_mirror_cannot_distinguish_queries(tmp_path) -> None:
    folder = tmp_path / "mirror" / "x.org"
    folder.mkdir(parents=True)
    (folder / "image.php").write_bytes(photo())
    one, two = "http://x.org/image.php?id=1", "http://x.org/image.php?id=2"
    fetcher = Fetcher(downloads=tmp_path / "one", mirror=folder.parent.as_uri())
    with pytest.raises(IbDataError, match=r"x\.org/image\.php.*id=1.*id=2.*without --mirror"):
        crawl([one, two], "image", fetcher)
    assert isinstance(crawl([one, one.replace("http:", "https:")], "image", fetcher)[one], Path)
    with pytest.raises(IbDataError, match="without --mirror"):
        crawl([one, two], "image", fetcher)


def test_another_list_in_the_source_is_another_form(home, tmp_path) -> None:
    source = lay_links(tmp_path / "s", ("http://x.org/a.jpg", "a cat"), name="ccs_filtered.json")
    (manifest,) = build(home, source, "web_capfilt", media=False)
    assert manifest.recipe["form"] == "web"


def test_a_list_in_another_form_is_an_error(home, tmp_path) -> None:
    lay(tmp_path / "s", "ccs_filtered.json", [{"image": "a/b.jpg", "caption": "x"}])
    with pytest.raises(DataError, match=r"row\[0\]: key 'url' is missing"):
        build(home, tmp_path / "s", "web_capfilt", media=False)


def test_a_limit_skips_dead_links(home) -> None:
    with miniature_fetcher(home) as fetcher:
        job = Build(home=home, fetcher=fetcher, folders=SourceFolders(), options=Options(limit=20, miniature=True))
        (manifest,) = build_dataset(load_card("web_capfilt"), job)
    assert manifest.num_samples == 20
    assert {reason for _, reason in drops(home, "web_capfilt", "train")} <= {"dead link", "not an image", "too small"}


def test_covers_and_links_of_the_miniature_match_their_rows() -> None:
    card = load_card("ocrvqa")
    (text,) = covers.members(WORLD, card, card.files[0]).values()
    books = json.loads(text)
    answered = dict(covers.images(WORLD))
    assert {1, 2, 3} == {row["split"] for row in books.values()}
    assert Counter(row["imageURL"] for row in books.values()).most_common(1)[0][1] == 2
    formats = Counter(
        Image.open(io.BytesIO(data)).format for data in answered.values() if not data.startswith(b"<!DOCTYPE")
    )
    assert set(formats) == {"JPEG", "PNG", "GIF"}
    assert {row["imageURL"] for row in books.values()} - set(answered)
    listed = load_card("web_capfilt")
    (text,) = links.members(WORLD, listed, listed.files[0]).values()
    rows = json.loads(text)
    assert any("?" in row["url"] for row in rows)
    for number, row in enumerate(rows):
        scene = WORLD.scene(15_000_000 + number)
        if number % 20 != 17:
            assert all(shape.name in row["caption"] for shape in named_shapes(scene))
            assert paint(scene).size == (scene.width, scene.height)
