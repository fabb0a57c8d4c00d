"""The contact sheet: whole, harmless, and true to what a trainer sees."""

import base64
import hashlib
import io
import re
import sys
from html.parser import HTMLParser

import pytest
from PIL import Image
from toy_clips import STEP, clip

from ib_data.cards import load_card
from ib_data.cards.built import NoSplitError, open_split
from ib_data.errors import DataError, IbDataError
from ib_data.media.thumbnail import thumbnail
from ib_data.sample import Annotation, Answer, Turn
from ib_data.templates.library import Library
from ib_data.templates.renderer import Renderer
from ib_data.templates.sheet.page import clean, contact_sheet, highlight
from ib_data.templates.sheet.preview import preview


def jpeg_cut_short():
    out = io.BytesIO()
    Image.effect_noise((300, 200), 80).save(out, "JPEG")
    return out.getvalue()[:2000]


class Page(HTMLParser):
    """Elements with their attributes, and the text inside each <mark>, <pre> and target."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.inside, self.texts = [], [], {"mark": [], "pre": [], "target": []}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        name = "target" if dict(attrs).get("class") == "target" else tag
        if name in self.texts:
            self.texts[name].append("")
            self.inside.append((tag, name))

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1][0] == tag:
            self.inside.pop()

    def handle_data(self, data):
        if self.inside:
            self.texts[self.inside[-1][1]][-1] += data


def sheet_of(home, *names, seed=0, **options):
    of = Renderer(seed=seed)
    found = (preview(home, load_card(name), of, n=9, media=True, **options) for name in names)
    return contact_sheet("A look", [entry for entries in found for entry in entries])


def test_first_samples_come_in_key_order(vqa_home):
    built = open_split(vqa_home, "vqav2", "train")
    found = [built.read(ref) for ref in built.refs(2)]
    assert [sample.key for sample, _ in found] == ["vqav2-train-000000000000", "vqav2-train-000000000001"]
    assert Image.open(io.BytesIO(found[1][1])).size == (200, 500)
    assert len(list(built.refs(99))) == 3
    view = open_split(vqa_home, "vqav2_qg", "train")
    assert [view.read(ref) for ref in view.refs(2)] == found


def test_a_split_that_is_not_built_says_what_to_run(vqa_home):
    with pytest.raises(IbDataError, match="okvqa is not built here; run `ib-data build okvqa`"):
        open_split(vqa_home, load_card("okvqa"), "train")
    with pytest.raises(IbDataError, match=r"built: train\); run `ib-data build vqav2 --split validation`"):
        open_split(vqa_home, load_card("vqav2"), "validation")


@pytest.mark.parametrize("name", ["vqav2", "nocaps"])  # built, and not
def test_a_split_that_a_dataset_lacks_is_told_from_one_that_is_not_built(vqa_home, name):
    card = load_card(name)
    with pytest.raises(NoSplitError) as caught:
        open_split(vqa_home, card, "tset")
    assert str(caught.value) == f"{name} has no split 'tset'; it has {', '.join(card.splits)}"


def test_the_default_split_is_the_papers_then_any_other(build):
    answer = Annotation(id="1", question="What?", answers=(Answer("it", 1),))
    home = build("vqav2", "validation", [((answer,), None)])
    assert open_split(home, load_card("vqav2")).split == "validation"
    build("vqav2", "train", [((answer,), None)])
    assert open_split(home, load_card("vqav2")).split == "train"


def test_a_sheet_of_several_datasets(vqa_home):
    page = Page(text := sheet_of(vqa_home, "vqav2", "vqav2_qg"))
    anchors = [attrs["id"] for tag, attrs in page.elements if tag == "article"]
    assert anchors[0] == "vqav2-train-000000000000"
    assert anchors[3] == "vqav2_qg:vqav2-train-000000000000"
    assert len(anchors) == len(set(anchors)) == 6
    pictures = [attrs["src"] for tag, attrs in page.elements if tag == "img"]
    assert len(pictures) == 6
    assert all(source.startswith("data:image/jpeg;base64,") for source in pictures)
    for name in ("vqav2", "vqav2_qg"):
        card = load_card(name)
        assert card.title in text
    assert text.count("Licence of images") == 2
    assert text.count("3 samples, 7 annotations") == 2
    assert text.count("2 more in the record") == 2


def test_what_is_highlighted_is_what_was_put_in(vqa_home):
    page = Page(sheet_of(vqa_home, "vqav2"))
    assert page.texts["mark"] == [
        "Question number 0?",
        "Question number 1?",
        "Question number 2?",
        *["What colour is the ball?"] * 2,
    ]
    assert set(page.texts["target"]) <= {"red", "dark red"}
    assert len(page.texts["pre"]) == 3
    assert '"id": "4"' in page.texts["pre"][0]


def test_template_hash_and_annotation_stand_under_each_example(vqa_home):
    text = sheet_of(vqa_home, "vqav2")
    for entry in preview(vqa_home, load_card("vqav2"), Renderer(), n=9):
        for example in entry.examples:
            rendered = example.rendered
            line = f"template <code>{rendered.template}</code> <code>{rendered.template_sha256[:8]}</code>"
            assert f"{line}, annotation <code>{rendered.annotation_id}</code>" in text


def test_strangers_text_is_text(build, hostile):
    annotations = tuple(
        Annotation(id=f"<b>{i}", question=text, answers=(Answer(text, 1),), extra={"note": text})
        for i, text in enumerate(hostile)
    )
    safe = tuple(a for a in annotations if not re.search("[\ud800-\udfff]", a.question))
    text = sheet_of(build("vqav2", "train", [(safe, None)]), "vqav2", per_sample=99)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", text)
    assert not re.search("[\ue000\ue001]", "".join(re.findall(r'<div class="instruction">(.*?)</div>', text)))
    page = Page(text)
    assert {tag for tag, _ in page.elements} & {"script", "b", "iframe", "object"} == set()
    assert [tag for tag, _ in page.elements].count("style") == 1
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert "{{ 7*7 }} {% raw %} {# no #}" in page.texts["mark"]
    assert hostile[2] in page.texts["mark"]
    assert len(page.texts["mark"]) == len(safe)


def test_marks_and_unprintable_characters_cannot_break_the_page(hostile):
    assert clean("a\ud800b\x00c\n") == "a\ufffdb\ufffdc\n"
    assert highlight("say \ue000<i>\ue001 now & then") == "say <mark><bdi>&lt;i&gt;</bdi></mark> now &amp; then"
    for text in hostile:
        highlight(text).encode("utf-8")


def test_the_policy_allows_the_one_style_sheet_and_no_load(vqa_home):
    page = Page(text := sheet_of(vqa_home, "vqav2"))
    policy = next(
        attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'")
    assert not [attrs for _, attrs in page.elements if "style" in attrs]
    links = [attrs.get("href") or attrs.get("src", "") for tag, attrs in page.elements if tag in ("a", "img", "link")]
    assert all(link.startswith(("#", "data:")) for link in links)


def test_the_same_samples_give_the_same_page(vqa_home):
    assert sheet_of(vqa_home, "vqav2") == sheet_of(vqa_home, "vqav2")
    assert sheet_of(vqa_home, "vqav2", seed=1) != sheet_of(vqa_home, "vqav2")


def test_absent_and_broken_pictures_and_clips_leave_a_note(build):
    answer = (Annotation(id="1", question="What?", answers=(Answer("it", 1),)),)
    home = build("vqav2", "train", [(answer, None), (answer, b"no picture at all"), (answer, jpeg_cut_short())])
    text = sheet_of(home, "vqav2")
    assert "built without media" in text
    assert "cannot be decoded: is of no known image format" in text
    assert text.count("cannot be decoded") == 2
    assert "0x" not in text
    home = build("vqav2", "validation", [(answer, b"clip bytes")], kind="video")
    assert "cannot be decoded: is not a whole clip" in sheet_of(home, "vqav2", split="validation")


def test_a_sample_without_an_image_has_no_empty_pane(build):
    answer = (Annotation(id="1", question="What?", answers=(Answer("it", 1),)),)
    home = build("vqav2", "train", [(answer, None), (answer, clip(9))], kind="video")
    page = Page(sheet_of(home, "vqav2"))
    assert [tag for tag, _ in page.elements].count("figure") == 1


def test_a_history_of_several_rounds_is_folded(build):
    rounds = tuple(Turn(f"Is it {i}?", "no") for i in range(3))
    asked = [
        Annotation(id=str(n), question="Is it?", answers=(Answer("it", 1),), history=rounds[:n]) for n in (0, 1, 3)
    ]
    home = build("visdial", "validation", [(tuple(asked), None)])
    text = sheet_of(home, "visdial")
    assert text.count('<details class="folded">') == 1
    assert "<summary>3 earlier rounds</summary><mark><bdi>Question: Is it 0? Answer: no\n" in text
    assert "<mark><bdi>Question: Is it 0? Answer: no</bdi></mark>" in text
    assert 'class="up" href="#top"' in text


def test_a_clip_is_shown_by_its_middle_frame(build):
    answer = (Annotation(id="1", question="What?", answers=(Answer("it", 1),)),)
    home = build("vqav2", "validation", [(answer, clip(9))], kind="video")
    (picture,) = [attrs["src"] for tag, attrs in Page(sheet_of(home, "vqav2")).elements if tag == "img"]
    with Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2]))) as image:
        assert image.size == (96, 72)
        assert image.getpixel((48, 45))[0] == pytest.approx(4 * STEP, abs=4)


def test_without_pyav_a_clip_leaves_a_note(build, monkeypatch):
    answer = (Annotation(id="1", question="What?", answers=(Answer("it", 1),)),)
    home = build("vqav2", "validation", [(answer, b"clip bytes")], kind="video")
    monkeypatch.setitem(sys.modules, "av", None)
    assert "video of 10 bytes" in sheet_of(home, "vqav2", split="validation")


def test_many_examples_of_one_sample_stand_in_columns(vqa_home):
    assert sheet_of(vqa_home, "vqav2").count('class="wide"') == 0
    page = sheet_of(vqa_home, "vqav2", all_templates=True, max_annotations=2)
    assert page.count('class="wide"') == page.count("<article") == 1
    assert "train template <code>look_first</code>" in page
    assert "3 more in the record" in page


def test_what_cannot_be_rendered_is_said_in_its_place(build):
    home = build("vqav2", "train", [((Annotation(id="5", question="What?"),), None)])
    text = sheet_of(home, "vqav2")
    assert "annotation 5: no answer to render" in text
    assert 'class="target"' not in text


def test_a_faulty_template_file_is_one_error(vqa_home, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "question_answering.toml").write_text("target = '{{ nope }}'\n", encoding="utf-8")
    with pytest.raises(DataError, match="unknown field 'nope'"):
        next(preview(vqa_home, load_card("vqav2"), Renderer(Library(folder)), n=1))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "CMYK", "I;16", "1"])
def test_thumbnails_of_every_mode_are_small_jpegs(mode):
    out = io.BytesIO()
    Image.new(mode, (900, 300)).save(out, "JPEG" if mode == "CMYK" else "PNG")
    small = Image.open(io.BytesIO(thumbnail(out.getvalue(), "image", 512)))
    assert (small.format, small.mode, small.size) == ("JPEG", "RGB", (512, 171))


def test_a_thumbnail_shows_a_transparent_image_as_the_stream_does():
    out = io.BytesIO()
    Image.new("RGBA", (300, 300), (200, 30, 30, 0)).save(out, "PNG")
    small = Image.open(io.BytesIO(thumbnail(out.getvalue(), "image", 512)))
    red, green, blue = small.getpixel((100, 100))
    assert red > 190
    assert max(green, blue) < 40
