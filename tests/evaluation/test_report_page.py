"""The page of a report: what it shows, and that a stranger's text stays text."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy_clips import clip
from toy_reports import toy_evaluated

from ib_data.errors import IbDataError
from ib_data.evaluation.case import Prediction
from ib_data.evaluation.metrics.scores import mean_scores
from ib_data.evaluation.report import page as page_module
from ib_data.evaluation.report import pictures
from ib_data.evaluation.report.chart import chart
from ib_data.evaluation.report.page import facts_of, page_of
from ib_data.evaluation.report.report import report_of
from ib_data.evaluation.report.writing import write_report
from ib_data.evaluation.scoring.evaluated import Group, Shuffled
from ib_data.media.frames import frames

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'}}{{ 7 * 7 }}</bdi></td>"
NO_CONTENT = {"meta", "img", "br"}


def red_image(width: int = 1_000, height: int = 500) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 0, 0)).save(out, "PNG")
    return out.getvalue()


class Page(HTMLParser):
    """The tags of a page, checked to be closed in order, and the text outside of its style sheet."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in NO_CONTENT:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def page(evaluated, media=lambda _dataset, _key: None) -> Page:
    return Page(page_of(report_of(evaluated), media))


def test_the_warnings_come_first():
    found = page([toy_evaluated([1.0], warnings=["gqa: the model was trained on this dataset"])])
    after_title = found.text.removeprefix("Evaluation of toy ")
    assert after_title.startswith("gqa: the model was trained on this dataset Evaluation of toy")
    assert page([toy_evaluated([1.0])]).text.removeprefix("Evaluation of toy ").startswith("Evaluation of toy")


def test_what_the_page_says_of_a_dataset():
    one = toy_evaluated([1.0, 0.0, 1.0, 0.5], breakdown={"type": {"verify": Group(score=0.5, count=31)}})
    predictions = [*one.predictions[:3], Prediction(id="q3", error="the clip cannot be decoded")]
    other = Shuffled(seed=3, predictions=one.predictions, scores=mean_scores(np.array([0.0, 0.0, 1.0, 0.5])))
    found = page([replace(one, predictions=predictions, shuffled=other)])
    for words in (
        "62.50", "gqa-accuracy, profile exact", "test, which the source calls testdev_balanced",
        "4 cases about 2 images; 4 of 12,578 built", "Question: {{ question }} Short answer:",
        "num_beams 5; max_new_tokens 10",
        "1 failed, 0 empty, 0 truncated", "abc123",
        "37.50 with the images of other examples (seed 3): 25.00 of the score",
        "verify 50.0 31", "38.6 to 44.6",
        "47.9 to 49.5", "InstructBLIP Vicuna-7B zero-shot accuracy 49.2 +13.3",
        "q3 the clip cannot be decoded", "what is 3? Short answer:", "gold 3", "All examples, worst first",
    ):  # fmt: skip
        assert words in found.text, words


def test_a_strangers_text_is_text():
    one = toy_evaluated([0.0, 0.0], dataset=HOSTILE, prompt=HOSTILE, split_source_name=HOSTILE, warnings=[HOSTILE])
    cases = [
        replace(case, id=HOSTILE + str(i), key=HOSTILE, prompt=HOSTILE, template=HOSTILE, candidates=(HOSTILE,))
        for i, case in enumerate(one.cases)
    ]
    predictions = [
        Prediction(id=cases[0].id, answer=HOSTILE, choice=0, scores={0: -1.0}),
        Prediction(id=cases[1].id, error=HOSTILE),
    ]
    hostile = replace(
        one,
        cases=cases,
        predictions=predictions,
        golds=[(HOSTILE,)] * 2,
        scores=mean_scores([0.0, 0.0], forms=[(HOSTILE, (HOSTILE, "b"))] * 2, also={HOSTILE: 0.5}),
        model={"name": HOSTILE, HOSTILE: {HOSTILE: [HOSTILE]}},
        decoding={HOSTILE: HOSTILE},
        breakdown={HOSTILE: {HOSTILE: Group(score=0.1, count=2)}},
        leakage={
            "known": True,
            "line": HOSTILE,
            "members": [HOSTILE],
            "members_not_built": [HOSTILE],
            "shared_images": 0,
            "shared_cases": 0,
            "score_without": None,
        },
    )
    found = page([hostile])
    assert not {"script", "img"} & {tag for tag, _ in found.tags}
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert found.text.count("<script>alert(1)</script>") > 15
    assert "49" not in found.text.replace("{{ 7 * 7 }}", "")


def test_what_html_cannot_hold_is_replaced():
    one = toy_evaluated([0.0], prompt="a\x00b\ud800c")
    text = page_of(report_of([one]), lambda _dataset, _key: None)
    assert "a\ufffdb\ufffdc" in text
    text.encode("utf-8")


def test_the_page_loads_nothing():
    text = page_of(report_of([toy_evaluated([1.0, 0.0])]), lambda _dataset, _key: red_image())
    policy = re.search(r'content="(default-src[^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    found = Page(text)
    assert not any(tag in ("script", "link", "iframe") for tag, _ in found.tags)
    assert not any("style" in attributes for _, attributes in found.tags)  # the policy would not allow it
    assert not any(re.match(r"(https?:)?//", attributes.get("href") or "") for _, attributes in found.tags)


def test_images_are_small_and_read_once():
    asked = []

    def media(dataset: str, key: str) -> bytes:
        asked.append((dataset, key))
        return red_image()

    found = page([toy_evaluated([0.0] * 4)], media)
    assert sorted(asked) == [("gqa", "gqa-test-image0"), ("gqa", "gqa-test-image1")]
    sources = [attributes["src"] for tag, attributes in found.tags if tag == "img"]
    assert len(sources) == 4  # each example once, although the worst and the random ones are the same
    small = Image.open(io.BytesIO(base64.b64decode(sources[0].removeprefix("data:image/jpeg;base64,"))))
    assert small.size == (360, 180)
    assert "Random examples" not in found.text


def test_images_are_smaller_on_a_page_with_many(monkeypatch):
    datasets = [toy_evaluated([0.0] * 4, dataset=name) for name in ("gqa", "vqav2")]  # two images each

    def widths() -> set[int]:
        sources = [attributes["src"] for tag, attributes in page(datasets, lambda *_: red_image()).tags if tag == "img"]
        return {Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).width for source in sources}

    monkeypatch.setattr(page_module, "MOST_LARGE", 4)
    assert widths() == {pictures.IMAGE_PX}
    monkeypatch.setattr(page_module, "MOST_LARGE", 3)
    assert widths() == {pictures.SMALL_PX}


def test_of_many_examples_the_worst_and_random_ones_are_shown():
    found = page([toy_evaluated([0.0] * 24)])
    assert "Worst examples lowest scores" in found.text
    assert re.search(r"Random examples \d+ of 20 are above", found.text)
    assert sum(tag == "article" for tag, _ in found.tags) == 24


def test_a_clip_is_four_frames_in_reading_order():
    uri, absence = pictures.picture(lambda: clip())
    grid = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert absence == ""
    first, *_, last = [Image.fromarray(frame) for frame in frames(clip())]
    for frame in (first, last):
        frame.thumbnail((200, 200))
    assert grid.size == (2 * first.width + 3, 2 * first.height + 3)
    corners = (0, 0, *first.size), (grid.width - last.width, grid.height - last.height, *grid.size)
    for corner, frame in zip(corners, (first, last), strict=True):
        apart = np.abs(np.array(grid.crop(corner), dtype=float) - np.array(frame, dtype=float))
        assert apart.mean() < 10  # JPEG


def test_an_absent_or_damaged_image_leaves_a_note():
    def damaged(_dataset: str, _key: str) -> bytes:
        return b"not an image"

    def unreadable(_dataset: str, _key: str) -> bytes:
        raise IbDataError("the shard is gone")

    assert "no image is built" in page([toy_evaluated([0.0])]).text
    assert "the image cannot be shown" in page([toy_evaluated([0.0])], damaged).text
    assert "the image cannot be shown: the shard is gone" in page([toy_evaluated([0.0])], unreadable).text


def test_ranked_examples_show_the_best_candidates():
    one = toy_evaluated([0.0])
    cases = [replace(one.cases[0], candidates=("a bird", "a cat", "a dog"))]
    predictions = [Prediction(id="q0", answer="a cat", choice=1, scores={0: -7.0, 1: -1.25, 2: -3.5})]
    assert "a cat -1.250 a dog -3.500 a bird -7.000" in page([replace(one, cases=cases, predictions=predictions)]).text


def test_forms_are_shown_if_the_metric_changed_the_texts():
    one = toy_evaluated([0.0])
    assert "compared as" not in page([one]).text
    changed = replace(one, scores=mean_scores([0.0], forms=[("", ("two", "3"))]))
    assert "compared as (empty) with two , 3" in page([changed]).text


def test_a_report_without_scores_or_examples_has_a_page():
    empty = page([toy_evaluated([])])
    assert "no interval" in empty.text
    assert "gqa: the score is not a number" in empty.text
    assert "Evaluation of a model" in page([]).text


def test_the_page_stands_beside_the_json(tmp_path: Path):
    report = write_report(tmp_path, [toy_evaluated([1.0, 0.0])], lambda _dataset, _split, _key: red_image())
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text == page_of(report, lambda _dataset, _key: red_image())


def test_positions_on_the_line():
    found = report_of([toy_evaluated([1.0, 0.0, 1.0, 1.0])])["datasets"]["gqa"]
    line = chart({**found, "interval": [0.5, 1.0]})
    assert (line["score"], line["low"], line["span"], line["end"]) == (750, 500, 500, 100)
    assert {entry["model"]: entry["at"] for entry in line["others"]}["BLIP-2 Vicuna-7B"] == 386
    over = chart({"score": 1.25, "interval": None, "published": []})  # CIDEr above 100
    assert (over["score"], over["low"], over["span"], over["end"]) == (1000, 994, 6, 125)
    assert chart({**found, "score": None}) is None


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (True, "yes"), (12_578, "12,578"), (0.333333, "0.3333"), (["a", 2], "a, 2")]
)
def test_values_of_an_identity(value, text):
    assert facts_of({"a": {"b": value}}) == [("a.b", text)]


def test_clips_need_no_more_than_an_image_does(monkeypatch):
    monkeypatch.setattr(pictures, "has_pyav", lambda: False)
    assert pictures.picture(lambda: clip())[1].startswith("the image cannot be shown: ")
    assert np.array(Image.open(io.BytesIO(pictures._small(red_image(), 360)))).mean() > 10


def test_a_loss_is_not_shown_times_100():
    one = toy_evaluated([2.0, 3.0, 1.0, 1.125])
    found = page([replace(one, protocol=replace(one.protocol, metric="token-loss"))])
    assert "gqa test 1.7812" in found.text
    assert "svg" not in {tag for tag, _ in found.tags}


def test_what_differs_from_some_published_numbers_stands_beside_them():
    found = page([toy_evaluated([1.0], dataset="aokvqa", split_source_name="val")])
    assert found.text.count("fine-tuned on the training split of the dataset") == 1  # said once for all
    assert found.text.count("another method: answers are generated here, candidates are ranked in the paper") == 8
    same = page([toy_evaluated([1.0], profile="vqa", num_built=12_578)])
    assert "No difference in how they were measured is known." in same.text
    assert "Measured differently" not in same.text


def folded(found: Page) -> int:
    return sum(tag == "details" for tag, _ in found.tags)


def test_what_is_also_measured_has_the_unit_of_the_score():
    also = {"profile vqa-lavis": 0.96129, "r@1": 0.3, "mean rank": 12.5, "distribution": 0.25, "images": 1200.0}
    one = toy_evaluated([1.0, 0.0])
    found = page([replace(one, scores=replace(one.scores, also={**also, "testlen": 77.0, "correct-1": 5.0}))])
    for words in (
        "profile vqa-lavis 96.13", "r@1 30.00", "mean rank (lower is better) 12.50",
        "distribution (lower is better) 0.25", "images 1,200",
    ):  # fmt: skip
        assert words in found.text, words
    assert "testlen" not in found.text
    assert "correct-1" not in found.text


def test_long_gold_answers_are_a_list_and_what_is_compared_is_folded():
    captions = tuple(f"a gold caption of many words, number {i}" for i in range(10))
    one = toy_evaluated([0.0], scores=mean_scores([0.0], forms=[("answer", captions)]), golds=[captions])
    found = page([one])
    assert sum(tag == "li" for tag, _ in found.tags) == 10
    assert "number 2 7 more a gold caption of many words, number 3" in found.text
    assert folded(found) == 2
    assert folded(page([toy_evaluated([0.0])])) == 0  # short ones are a line


def test_of_many_warnings_the_first_are_open():
    assert folded(page([toy_evaluated([1.0], warnings=[f"w{i}" for i in range(4)])])) == 0
    found = page([toy_evaluated([1.0], warnings=[f"w{i}" for i in range(10)])])
    assert "w0 w1 w2 w3 6 more w4" in found.text
    assert folded(found) == 1


def test_groups_that_are_numbers_stand_in_their_order():
    rounds = {str(i): Group(score=i / 10, count=1) for i in (1, 10, 2, 3)}
    words = {"a": Group(score=0.1, count=1), "2": Group(score=0.2, count=5), "b": Group(score=0.3, count=9)}
    found = page([toy_evaluated([1.0], breakdown={"round": rounds, "type": words})])
    assert "1 10.0 1 2 20.0 1 3 30.0 1 10 100.0 1" in found.text
    assert "b 30.0 9 2 20.0 5 a 10.0 1" in found.text


def test_a_reciprocal_rank_is_shown_as_the_rank_and_the_gold_is_marked():
    one = toy_evaluated([1 / 3], golds=[("a bird",)])
    cases = [replace(one.cases[0], candidates=("a bird", "a cat", "a dog"))]
    predictions = [Prediction(id="q0", answer="a cat", choice=1, scores={0: -7.0, 1: -1.25, 2: -3.5})]
    protocol = replace(one.protocol, metric="mrr", profile="")
    found = page([replace(one, cases=cases, predictions=predictions, protocol=protocol)])
    assert "rank 3" in found.text
    assert "a cat -1.250 a dog -3.500 a bird gold -7.000" in found.text


def test_the_identity_of_the_model_is_said_once():
    found = page([toy_evaluated([1.0]), toy_evaluated([1.0], dataset="vsr")])
    assert found.text.count("abc123") == 1


def test_scores_of_groups_that_do_not_average_to_the_whole_say_so():
    groups = {"domain": {"in": Group(score=float("nan"), count=1), "out": Group(score=0.9, count=3)}}
    found = toy_evaluated([0.5] * 4, breakdown=groups)
    note = "the scores of groups do not average to the whole"
    assert note not in Page(page_of(report_of([found]), lambda *_given: None)).text
    cider = replace(found, protocol=replace(found.protocol, metric="cider", profile=""))
    shown = report_of([cider])
    assert shown["datasets"]["gqa"]["breakdown"]["domain"]["in"] == {"score": None, "count": 1}
    text = Page(page_of(shown, lambda *_given: None)).text
    assert note in text
    assert "in - 1 out 90.0 3" in text or "out 90.0 3 in - 1" in text
