"""Unusable samples: replaced within their member, logged, and too many of them stop the run."""

import json
from pathlib import Path

import pytest

from ib_data.errors import DataError, IbDataError
from ib_data.home import Home
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.stream.quarantine import BadSample, Quarantine
from ib_data.mixtures.stream.stream import Stream, open_stream
from ib_data.stream_options import ImageOptions, StreamOptions
from ib_data.templates.renderer import Renderer

BROKEN = 5  # the vqav2 sample whose bytes are no picture
SPEC = Mixture(
    name="two",
    rule="sqrt",
    members=(
        Member(dataset="vqav2", split="train", size=40),
        Member(dataset="okvqa", split="train", size=6),
    ),
)


@pytest.fixture
def home_with_a_broken_picture(tmp_path: Path, build_split, jpeg_of) -> Home:
    home = Home(tmp_path / "home")
    build_split(
        home, "vqav2", 20, picture=lambda name, number: b"no picture" if number == BROKEN else jpeg_of(name, number)
    )
    build_split(home, "okvqa", 3, picture=jpeg_of)
    return home


def opened(home: Home, **options: object) -> Stream:
    values = {"images": ImageOptions(image_px=16), "max_bad_share": 1.0, **options}
    return open_stream(home, SPEC, options=StreamOptions(**values))  # type: ignore[arg-type]


def is_broken(key: str) -> bool:
    return key == f"vqav2-train-{BROKEN:06d}"


def test_a_broken_picture_is_replaced_and_nothing_else_changes(home_with_a_broken_picture: Home) -> None:
    stream = opened(home_with_a_broken_picture)
    read = stream.batch(0, 200)
    assert [e.position for e in read] == list(range(200))
    planned = list(stream.ids(count=200))
    bad = [row.position for row in planned if is_broken(row.key)]
    assert bad
    for example, row in zip(read, planned, strict=True):
        assert not is_broken(example.key)
        assert example.dataset == row.dataset
        if row.position not in bad:
            assert (example.key, example.annotation_id) == (row.key, row.annotation_id)
    again = opened(home_with_a_broken_picture).batch(0, 200)
    assert [(e.key, e.annotation_id, e.rendered) for e in again] == [(e.key, e.annotation_id, e.rendered) for e in read]
    assert [e.key for e in stream.batch(bad[0], 1)] == [read[bad[0]].key]


def test_what_was_replaced_is_written_down(home_with_a_broken_picture: Home) -> None:
    stream = opened(home_with_a_broken_picture)
    stream.batch(0, 200)
    bad = [row for row in stream.ids(count=200) if is_broken(row.key)]
    rows = [json.loads(line) for line in home_with_a_broken_picture.quarantine.read_text().splitlines()]
    first = next(row for row in rows if row["position"] == bad[0].position)
    assert first == {
        "dataset": "vqav2",
        "split": "train",
        "key": bad[0].key,
        "annotation_id": bad[0].annotation_id,
        "position": bad[0].position,
        "reason": first["reason"],
    }
    assert "image" in first["reason"]
    assert {row.position for row in bad} <= {row["position"] for row in rows}
    assert stream.meter.num_bad == len(rows)


def test_too_many_stop_the_run_with_the_figure(home_with_a_broken_picture: Home) -> None:
    stream = opened(home_with_a_broken_picture, max_bad_share=0.002)
    with pytest.raises(
        IbDataError, match=r"3 of \d+ positions drew a sample .*more than 0\.20%.*vqav2-train-000005.*check vqav2"
    ):
        stream.batch(0, 400)


def test_the_share_counts_positions_and_not_attempts(tmp_path: Path, build_split) -> None:
    home = Home(tmp_path)
    build_split(home, "vqav2", 4)  # none of its pictures opens, so one position tries all it may
    options = StreamOptions(images=ImageOptions(), max_bad_share=0.0)
    stream = open_stream(home, SPEC.only(["vqav2"]), options=options)
    with pytest.raises(IbDataError, match=r"^1 of 1 positions drew a sample that cannot be used, more than 0\.00%"):
        stream.batch(0, 1)


def test_one_annotation_that_cannot_be_rendered_leaves_the_others_of_its_image(tiny_home: Home, monkeypatch) -> None:
    real = Renderer.render

    def picky(self, card, annotation, position, **options):
        if annotation.id.endswith("-0"):
            raise DataError(card.name, "no answer to render from")
        return real(self, card, annotation, position, **options)

    monkeypatch.setattr(Renderer, "render", picky)
    options = StreamOptions(annotations_per_image=2)
    try:
        read = open_stream(tiny_home, SPEC.only(["vqav2"]), options=options).batch(0, 20)
    finally:
        tiny_home.quarantine.unlink(missing_ok=True)
    planned = list(open_stream(tiny_home, SPEC.only(["vqav2"]), options=options).ids(count=20))
    kept = [(row.position, row.annotation_id) for row in planned if row.annotation_id.endswith("-1")]
    assert [(example.position, example.annotation_id) for example in read] == kept


def test_a_pass_leaves_a_bad_sample_out(home_with_a_broken_picture: Home) -> None:
    stream = opened(home_with_a_broken_picture)
    seen = stream.read_pass()
    assert len(seen) == stream.pass_size - 2
    assert not any(is_broken(example.key) for example in seen)


def test_where_all_are_bad_the_run_stops(tmp_path: Path, build_split) -> None:
    home = Home(tmp_path)
    build_split(home, "vqav2", 4)
    spec = SPEC.only(["vqav2"])
    options = StreamOptions(images=ImageOptions(), max_bad_share=1.0)
    with pytest.raises(IbDataError, match=r"vqav2: .*17 samples in a row cannot be used at position 0"):
        open_stream(home, spec, options=options).batch(0, 1)


def test_an_annotation_that_cannot_be_rendered_is_replaced(tiny_home: Home, monkeypatch) -> None:
    real = Renderer.render

    def picky(self, card, annotation, position, **options):
        if annotation.id.startswith("5-"):
            raise DataError(card.name, "no answer to render from")
        return real(self, card, annotation, position, **options)

    monkeypatch.setattr(Renderer, "render", picky)
    stream = open_stream(tiny_home, SPEC.only(["vqav2"]), options=StreamOptions(max_bad_share=1.0))
    try:
        read = stream.batch(0, 40)
        assert [example.position for example in read] == list(range(40))
        assert not any(example.annotation_id.startswith("5-") for example in read)
        rows = [json.loads(line) for line in tiny_home.quarantine.read_text().splitlines()]
        assert {row["annotation_id"] for row in rows} == {"5-0", "5-1"}
        assert {row["reason"] for row in rows} == {"vqav2: no answer to render from"}
    finally:
        tiny_home.quarantine.unlink(missing_ok=True)


def test_built_without_media_is_an_error_and_no_bad_sample(tmp_path: Path, cli) -> None:
    assert cli("build", "vsr", "--mini", "--no-media", "--home", tmp_path).code == 0
    spec = Mixture(name="x", rule="sqrt", members=(Member(dataset="vsr", split="test", size=8),))
    stream = open_stream(Home(tmp_path), spec, options=StreamOptions(images=ImageOptions()))
    with pytest.raises(IbDataError, match=r"vsr: .*built without its image or clip; build vsr without --no-media"):
        stream.batch(0, 1)
    assert not Home(tmp_path).quarantine.exists()


def test_processes_append_whole_lines(tmp_path: Path) -> None:
    logs = [Quarantine(tmp_path / "q.jsonl", 1.0) for _ in range(2)]
    for number in range(50):
        bad = BadSample(
            dataset="vqav2", split="train", key=f"k{number}", annotation_id="1", position=number, reason="cut\nshort"
        )
        logs[number % 2].add(bad)
    rows = [json.loads(line) for line in (tmp_path / "q.jsonl").read_text().splitlines()]
    assert [row["position"] for row in rows] == list(range(50))


def test_the_remedy_of_a_view_names_the_dataset_that_is_stored(home_with_a_broken_picture: Home) -> None:
    view = Member(dataset="vqav2", split="train", size=40, task="question_generation")
    options = StreamOptions(images=ImageOptions(image_px=16), max_bad_share=0.0)
    stream = open_stream(
        home_with_a_broken_picture, Mixture(name="view", rule="sqrt", members=(view,)), options=options
    )
    with pytest.raises(IbDataError, match="run `ib-data check vqav2 --decode`"):
        stream.batch(0, 200)
