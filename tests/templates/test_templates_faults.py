"""What a user's own templates, hidden answers, long lists of options and invisible texts lead to."""

import json
from functools import partialmethod

import pytest

from ib_data.cards import load_card
from ib_data.cards.built import open_split
from ib_data.errors import DataError, IbDataError
from ib_data.sample import Annotation, Answer, Turn
from ib_data.stored.built_split import BuiltSplit
from ib_data.stored.manifest import INDEX
from ib_data.templates.library import Library
from ib_data.templates.render_options import RenderOptions
from ib_data.templates.renderer import Renderer
from ib_data.templates.sheet.highlights import marked
from ib_data.templates.sheet.preview import preview
from ib_data.templates.stats.counting import count_lengths
from ib_data.templates.stats.stats_file import outdated, read_stats, write_stats
from ib_data.templates.values import option_letter, options_text

CAPTIONING = "target = '{{ caption }}'\n[train]\nown = 'Mine:'\n"


@pytest.fixture
def mine(tmp_path):
    """A folder with training templates of captioning and no zero-shot prompt."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "captioning.toml").write_text(CAPTIONING, encoding="utf-8")
    return folder


def test_a_held_out_dataset_keeps_its_prompt_beside_a_folder_without_one(build, mine, cli):
    captions = (Annotation(id="1", caption="A cup."),)
    home = build("flickr30k", "test", [(captions, None)])
    out = cli("render", "flickr30k", "--templates", mine, "--json", "--home", home.root).out
    assert json.loads(out)[0]["instruction"] == "A short image description:"
    card = load_card("flickr30k")
    assert Renderer(Library(mine)).zero_shot(card) == Renderer().zero_shot(card)
    rendered = Renderer(Library(mine)).render_all(card, captions[0], 0)
    assert [r.instruction for r in rendered] == ["Mine:", "A short image description:"]
    assert marked(Renderer(Library(mine)), card, captions[0], rendered[1]) == "A short image description:"
    assert Renderer(Library(mine)).zero_shot(load_card("coco_caption")) is None
    (mine / "captioning.toml").write_text(f"{CAPTIONING}[zero_shot]\nflickr30k = 'So:'\n", encoding="utf-8")


@pytest.mark.parametrize("name", ["answers", "option_order", "choice_targets", "turns", "instructions"])
def test_an_option_that_is_not_known_is_refused(name):
    with pytest.raises(IbDataError, match=f"{name}: unknown value 'bogus'; known: "):
        RenderOptions(**{name: "bogus"})
    with pytest.raises(IbDataError, match="did you mean 'majority'"):
        RenderOptions(answers="majorty")


def test_no_two_options_share_a_letter():
    letters = [option_letter(place) for place in range(800)]
    assert len(set(letters)) == 800
    assert (letters[0], letters[25:28], letters[51:53], letters[701:703]) == (
        "a", ["z", "aa", "ab"], ["az", "ba"], ["zz", "aaa"],
    )  # fmt: skip
    assert options_text(["x"] * 28).endswith("(z) x (aa) x (ab) x")
    many = Annotation(id="1", question="Which?", options=tuple(map(str, range(30))), answer_index=27)
    options = RenderOptions(choice_targets="letter")
    targets = {Renderer(options=options).render(load_card("aokvqa"), many, p).target for p in range(60)}
    assert targets == {"(ab)"}


def error(card, annotation, folder=None):
    with pytest.raises(DataError) as caught:
        Renderer(Library(folder)).render(card, annotation, 0)
    return str(caught.value)


def test_the_remedy_is_that_of_the_fault(mine):
    file = mine / "captioning.toml"
    card, caption = load_card("coco_caption"), Annotation(id="1", caption="A cup.")
    hidden = "a split with hidden answers cannot be trained on: choose another"
    assert error(card, Annotation(id="1"), folder=mine).endswith(hidden)
    assert "no label or answer to render" in error(load_card("vsr"), Annotation(id="1", statement="A cup."))

    file.write_text("target = '{{ caption }}'\n[train]\nhint = '{{ context }} Say it:'\n", encoding="utf-8")
    other = mine.with_name("other")
    file.parent.rename(other)
    told = error(card, caption, folder=other)
    assert f"no context to render captioning from; the annotation has 'caption'; template 'hint' of {other}" in told
    assert "hidden" not in told

    empty = mine.with_name("empty")
    empty.mkdir()
    (empty / "captioning.toml").write_text("target = '{{ caption }}'\n[train]\n", encoding="utf-8")
    told = error(card, caption, folder=empty)
    assert told.endswith(
        f"no training template to render captioning from; add one under [train] of {empty}/captioning.toml"
    )


@pytest.mark.parametrize("blank", ["\u200b", "\ufeff\u2060", " \x07 ", "\u00ad"])
def test_a_text_that_shows_nothing_is_no_text(blank):
    card = load_card("vqav2")
    assert "no answer to render" in error(card, Annotation(id="1", question="What?", answers=(Answer(blank, 3),)))
    assert "question" in error(card, Annotation(id="1", question=blank, answers=(Answer("it", 3),)))
    both = Annotation(id="1", question="What?", answers=(Answer(blank, 9), Answer("it", 1)))
    assert {Renderer().render(card, both, p).target for p in range(20)} == {"it"}
    turns = Annotation(id="1", question="What?", answers=(Answer("it", 1),), history=(Turn("Q?", blank),))
    chat = Renderer(options=RenderOptions(turns="chat")).render(load_card("visdial"), turns, 0)
    assert chat.earlier == ()


def test_format_characters_beside_a_text_stay():
    answer = "\u200f\u05d0\u200f"
    annotation = Annotation(id="1", question="What?", answers=(Answer(answer, 1),))
    assert Renderer().render(load_card("vqav2"), annotation, 0).target == answer


def test_samples_are_read_one_by_one_and_pictures_only_when_asked_for(vqa_home):
    card = load_card("vqav2")
    shard = next(vqa_home.split("vqav2", "train").glob("*.tar"))
    built = open_split(vqa_home, card, "train")
    whole = [built.read(ref) for ref in built.refs()]
    assert all(media for _, media in whole)
    assert list(built.samples()) == [sample for sample, _ in whole]
    assert [entry.media for entry in preview(vqa_home, card, Renderer(), n=3)] == [None] * 3
    with_media = preview(vqa_home, card, Renderer(), n=3, media=True)
    assert [entry.media for entry in with_media] == [media for _, media in whole]
    samples = built.samples()
    assert next(samples) == whole[0][0]
    built.close()
    shard.rename(shard.with_suffix(".gone"))
    with pytest.raises(DataError, match="shard is missing"):
        next(samples)


def test_the_first_samples_are_found_over_pieces_of_the_index(build, monkeypatch):
    monkeypatch.setattr(BuiltSplit, "batches", partialmethod(BuiltSplit.batches, num_rows=3))
    rows = [tuple(Annotation(id=f"{i}-{j}", question="What?") for j in range(1 + i % 3)) for i in range(20)]
    home = build("vqav2", "train", [(row, None) for row in rows])
    for n in (1, 4, 20, 99):
        found = [sample.key for sample in open_split(home, "vqav2").samples(n)]
        assert found == [f"vqav2-train-{i:012d}" for i in range(min(n, 20))]


def test_an_index_of_another_build_is_told(vqa_home):
    (vqa_home.split("vqav2", "train") / INDEX).unlink()
    with pytest.raises(DataError, match=r"index\.parquet: is missing; build vqav2 again"):
        next(open_split(vqa_home, "vqav2").refs())


def test_show_takes_groups_as_render_does(vqa_home, cli):
    shown = cli("show", "held-in", "--home", vqa_home.root)
    assert (shown.code, shown.out.count("vqav2-train-000000000000")) == (0, 2)  # vqav2 and its view
    assert "left out because not built" in shown.err


def test_json_holds_characters_as_they_are(build, cli):
    annotation = Annotation(id="1", question="Wo ist die T\u00fcr?", answers=(Answer("hier", 1),))
    home = build("vqav2", "train", [((annotation,), None)])
    assert "T\u00fcr" in cli("render", "vqav2", "--json", "--home", home.root).out


def test_counts_say_with_which_templates_and_options_they_were_made(build, mine, cli):
    home = build("coco_caption", "train", [((Annotation(id="1", caption="A cup."),), None)])
    arguments = (
        "templates",
        "stats",
        "coco_caption",
        "--templates",
        mine,
        "--answers",
        "majority",
        "--home",
        home.root,
    )
    assert "own" in cli(*arguments).out
    folder = home.split("coco_caption", "train")
    stats = read_stats(folder, "coco_caption")
    assert (stats.render.answers, stats.templates_folder) == ("majority", str(mine.absolute()))
    assert [row.template for row in stats.templates] == ["own"]
    shown = cli("card", "coco_caption", "--home", home.root).out
    assert f"Templates: `{mine.absolute()}`. Options: answers = majority." in shown
    assert "Of earlier templates" not in shown


def test_counts_of_other_templates_are_not_current(build, mine, tmp_path, cli):
    home = build("coco_caption", "train", [((Annotation(id="1", caption="A cup."),), None)])
    card = load_card("coco_caption")
    built = open_split(home, card)
    manifest = built.manifest
    stats = count_lengths(card, built, Renderer(Library(mine)))
    assert outdated(stats, card, manifest) is None
    for place, text in enumerate((CAPTIONING.replace("Mine", "Ours"), CAPTIONING.replace("{{", "A {{"), None)):
        other = tmp_path / f"other{place}"
        other.mkdir()
        if text:
            (other / "captioning.toml").write_text(text, encoding="utf-8")
        assert read_back(home, stats, other, card, manifest) == "earlier templates"
    assert (
        "Of earlier templates: run `ib-data templates stats coco_caption` again."
        in cli("card", "coco_caption", "--home", home.root).out
    )


def read_back(home, stats, folder, card, manifest):
    """What `outdated` says of the counts as read from their file, as if `folder` were what their templates are now."""
    where = home.split(card.name, manifest.split)
    path = write_stats(where, stats)
    path.write_text(json.dumps({**json.loads(path.read_text()), "templates_folder": str(folder)}), encoding="utf-8")
    return outdated(read_stats(where, card.name), card, manifest)
