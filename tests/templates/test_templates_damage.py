"""A damaged manifest, index, shard or image stops nothing but itself, and is said in one line."""

import json
import struct
import zlib

import pytest

from ib_data.cards import load_card
from ib_data.cards.built import open_split
from ib_data.errors import IbDataError
from ib_data.home import MANIFEST
from ib_data.media.thumbnail import thumbnail
from ib_data.sample import Annotation, Answer
from ib_data.stored.manifest import INDEX
from ib_data.templates.renderer import Renderer
from ib_data.templates.sheet.page import contact_sheet
from ib_data.templates.sheet.preview import preview

CAPTION = (Annotation(id="1", caption="A cup."),)
ASKED = (Annotation(id="1", question="What?", answers=(Answer("it", 1),)),)


def bomb(side):
    """A PNG of a few bytes that says it has `side` x `side` pixels."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.fixture
def home(build):
    """Three datasets; the second, in the order of `all`, is the one that gets damaged."""
    build("aokvqa", "train", [(ASKED, None)])
    build("coco_caption", "train", [(CAPTION, None), (CAPTION, None)])
    return build("vqav2", "train", [(ASKED, None)])


def damage_manifest(folder):
    (folder / MANIFEST).write_text("{")


def damage_index(folder):
    (folder / INDEX).write_bytes(b"PAR1")


def damage_shard(folder):
    next(folder.glob("*.tar")).unlink()


DAMAGES = [damage_manifest, damage_index, damage_shard]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("names", ["all", "held-in", "aokvqa coco_caption vqav2"])
def test_a_damaged_split_stops_no_other_one(home, cli, damage, names):
    damage(home.split("coco_caption", "train"))
    for verb in ("show", "render"):
        result = cli(verb, *names.split(), "--home", home.root)
        assert result.code == 1
        assert "aokvqa-train-000000000000" in result.out
        assert "vqav2-train-000000000000" in result.out
        last = result.err.splitlines()[-1]
        assert last.startswith("ib-data: coco_caption: ")
        assert "build" in last
        assert "Traceback" not in result.err


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_page_holds_what_can_be_read(home, cli, damage, tmp_path):
    damage(home.split("coco_caption", "train"))
    for verb in ("show", "render"):
        page = tmp_path / f"{verb}.html"
        result = cli(verb, "all", "--html", page, "--home", home.root)
        assert result.code == 1
        assert "ib-data: coco_caption: " in result.err
        assert "aokvqa-train-000000000000" in page.read_text()
        assert "vqav2-train-000000000000" in page.read_text()
        assert f"in {page}" in result.out
    if damage is damage_shard:
        assert page.read_text().count("cannot be read: coco_caption: ") == 2


def test_json_holds_what_can_be_read_too(home, cli):
    damage_manifest(home.split("coco_caption", "train"))
    result = cli("render", "all", "--json", "--home", home.root)
    assert result.code == 1
    assert {row["dataset"] for row in json.loads(result.out)} == {"aokvqa", "aokvqa_qg", "vqav2", "vqav2_qg"}


def test_several_damaged_splits_are_named_together(home, cli):
    for name in ("aokvqa", "coco_caption"):
        damage_index(home.split(name, "train"))
    result = cli("show", "all", "--home", home.root)
    *notes, last = result.err.splitlines()
    assert last == "ib-data: 3 datasets could not be rendered: aokvqa, aokvqa_qg, coco_caption"
    assert sum("index.parquet: is not a Parquet file" in line for line in notes) == 3


def test_a_page_of_nothing_is_not_written(home, cli, tmp_path):
    damage_manifest(home.split("coco_caption", "train"))
    page = tmp_path / "page.html"
    result = cli("show", "coco_caption", "--html", page, "--home", home.root)
    assert (result.code, result.out) == (1, "")
    assert not page.exists()


def test_one_sample_that_cannot_be_read_stops_no_other_one(home):
    folder = home.split("coco_caption", "train")
    shard = next(folder.glob("*.tar"))
    data = bytearray(shard.read_bytes())
    place = data.find(b'{"key":"coco_caption-train-000000000000"')
    data[place] = ord("[")
    shard.write_bytes(data)
    bad, good = preview(home, load_card("coco_caption"), Renderer(), n=2)
    assert bad.sample is None
    assert "the shard is damaged or of another build" in bad.problem
    assert good.examples[0].rendered.target == "A cup."


def test_counts_go_on_past_a_damaged_split(home, cli):
    damage_index(home.split("coco_caption", "train"))
    result = cli("templates", "stats", "all", "--home", home.root)
    assert result.code == 1
    assert "vqav2" in result.out
    assert "aokvqa" in result.out
    assert result.err.splitlines()[-1].startswith("ib-data: coco_caption: ")


def test_a_damaged_manifest_of_another_split_changes_nothing(home, build):
    build("coco_caption", "validation", [(CAPTION, None)])
    damage_manifest(home.split("coco_caption", "validation"))
    assert open_split(home, load_card("coco_caption")).split == "train"
    with pytest.raises(IbDataError, match="cannot be read"):
        open_split(home, load_card("coco_caption"), "validation")


def test_a_size_bomb_is_refused_before_it_is_decoded(build):
    with pytest.raises(IbDataError, match=r"60000 x 60000 pixels: refused as a size bomb"):
        thumbnail(bomb(60_000), "image", 512)
    home = build("vqav2", "train", [(ASKED, bomb(60_000)), (ASKED, None)])
    page = contact_sheet("A look", preview(home, load_card("vqav2"), Renderer(), n=2, media=True))
    assert "cannot be decoded: 60000 x 60000 pixels: refused as a size bomb" in page
    assert page.count("<article") == 2
