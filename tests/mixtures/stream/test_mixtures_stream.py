"""The stream over shards: sliced, resumed, partly built, damaged."""

import os
import pickle
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import ib_data.mixtures.stream.example_reader as reading_module
from ib_data.errors import IbDataError
from ib_data.home import MANIFEST, Home
from ib_data.mixtures.order.block_shuffle import BlockShuffle
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.stream.example import Example
from ib_data.mixtures.stream.stream import Stream, open_stream
from ib_data.stored.manifest import INDEX
from ib_data.stream_options import ImageOptions, StreamOptions
from ib_data.templates.renderer import Renderer

Build = Callable[..., Path]


def mixture(*members: tuple[str, int], split: str = "train", rule: str = "sqrt") -> Mixture:
    return Mixture(
        name="tiny",
        rule=rule,
        members=tuple(Member(dataset=name, split=split, size=size) for name, size in members),
    )


BUILT = mixture(("vqav2", 40), ("okvqa", 6), ("coco_caption", 18), ("vqav2_qg", 40))


def ids(examples: list[Example]) -> list[tuple[int, str, str, str, str]]:
    return [(e.position, e.dataset, e.key, e.annotation_id, e.rendered.template) for e in examples]


def test_an_example_is_what_its_names_say(tiny_home: Home) -> None:
    stream = open_stream(tiny_home, BUILT)
    seen = {}
    for example in stream.examples(count=200):
        seen[example.dataset] = example
        number = int(example.key[-6:])
        assert example.annotation.id == example.annotation_id == example.rendered.annotation_id
        assert example.annotation_id.startswith(f"{number}-")
        base = example.dataset.removesuffix("_qg")
        assert example.media == b"\xff\xd8" + f"{base} {number}".encode() * 5
        assert (example.split, example.media_kind) == ("train", "image")
        assert (example.rendered.position, example.rendered.dataset) == (example.position, example.dataset)
    assert seen.keys() == set(BUILT.names)
    question = seen["vqav2_qg"].annotation.question
    assert seen["vqav2_qg"].rendered.target == question  # the view asks for the question, its base for the answer
    assert seen["vqav2"].rendered.target in ("red", "orange")


def test_at_is_examples_and_ids_agree_without_reading_a_shard(tiny_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = open_stream(tiny_home, BUILT, seed=5)
    examples = list(stream.examples(start=77, count=300))
    assert [stream.at(p) for p in (77, 78, 376)] == [examples[0], examples[1], examples[-1]]

    def forbidden(*_arguments: object, **_options: object) -> None:
        raise AssertionError("ids read nothing but the index")

    monkeypatch.setattr(reading_module, "parse_stored", forbidden)
    monkeypatch.setattr(Renderer, "render", forbidden)
    listed = [(i.position, i.dataset, i.key, i.annotation_id, i.template) for i in stream.ids(start=77, count=300)]
    assert listed == ids(examples)


@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_ranks_together_give_the_one_order(tiny_home: Home, world: int) -> None:
    stream = open_stream(tiny_home, BUILT)
    whole = list(stream.ids(start=11, count=240))
    ranks = [list(stream.ids(start=11, count=240 // world, world=world, rank=rank)) for rank in range(world)]
    assert [row for rows in zip(*ranks, strict=True) for row in rows] == whole


def test_what_lies_outside_of_a_stream_is_refused(tiny_home: Home) -> None:
    stream = open_stream(tiny_home, BUILT)
    stream.batch(0, 8)
    for call in (
        lambda: stream.batch(0, -1),
        lambda: stream.batch(-1, 1),
        lambda: stream.read_pass(-5, 3),
        lambda: stream.state(-1),
        lambda: list(stream.ids(0, 4, world=2, rank=2)),
        lambda: list(stream.examples(0, 4, share=0)),
    ):
        with pytest.raises(ValueError, match=r"stream|pass|position"):
            call()


def test_ranks_take_equal_slices_of_each_batch(tiny_home: Home) -> None:
    stream = open_stream(tiny_home, BUILT)
    whole = list(stream.ids(start=5, count=96))
    ranks = [list(stream.ids(start=5, count=32, world=3, rank=rank, share=8)) for rank in range(3)]
    together = [row for t in range(4) for rank in ranks for row in rank[8 * t : 8 * t + 8]]
    assert together == whole
    uneven = list(stream.ids(start=5, count=11, world=3, rank=1, share=8))
    assert uneven == ranks[1][:11]


def test_the_order_goes_on_over_the_pieces_it_is_computed_in(tiny_home: Home) -> None:
    stream = open_stream(tiny_home, BUILT)
    far = list(stream.ids(count=9000))
    assert [row.position for row in far] == list(range(9000))
    assert far[8190:8200] == list(stream.ids(start=8190, count=10))
    assert far[5:2005:7] == list(stream.ids(start=5, count=286, world=7))


def test_it_has_no_end_and_repeats_nothing_before_an_epoch_ends(tiny_home: Home) -> None:
    stream = open_stream(tiny_home, BUILT)
    drawn = [e for e in islice(stream.examples(), 400) if e.dataset == "coco_caption"]
    assert len(drawn) > 4 * 18
    for epoch in range(4):
        of_epoch = [e.annotation_id for e in drawn if e.epoch == epoch]
        assert len(of_epoch) == len(set(of_epoch)) == 18


def test_a_stream_goes_to_another_process(tiny_home: Home) -> None:
    stream = open_stream(tiny_home, BUILT)
    twin: Stream = pickle.loads(pickle.dumps(stream))  # noqa: S301 (as a data loader's worker receives it)
    assert list(twin.examples(count=9)) == list(stream.examples(count=9))


def test_a_pass_shows_each_annotation_once_in_one_order(tiny_home: Home) -> None:
    stream = open_stream(tiny_home, BUILT)
    whole = stream.read_pass()
    assert len(whole) == stream.pass_size == 104
    assert len({(e.dataset, e.annotation_id) for e in whole}) == 104
    assert [e.position for e in whole] == list(range(104))
    assert [e.key for e in stream.read_pass(100, 50)] == [e.key for e in whole[100:]]
    several = open_stream(tiny_home, BUILT, options=StreamOptions(annotations_per_image=3))
    assert [(e.dataset, e.annotation_id) for e in several.read_pass()] == [(e.dataset, e.annotation_id) for e in whole]


def test_a_pass_is_not_augmented(picture_home: Home) -> None:
    plain, cropped = (
        open_stream(picture_home, BUILT, options=StreamOptions(images=ImageOptions(image_px=16, augment=augment)))
        for augment in ("none", "blip")
    )
    for one, other in zip(plain.read_pass(0, 20), cropped.read_pass(0, 20), strict=True):
        assert np.array_equal(one.pixels, other.pixels)


def test_the_first_batch_after_a_seek_computes_no_more_than_it_needs(tiny_home: Home, monkeypatch) -> None:
    stream = open_stream(tiny_home, BUILT)
    asked = []
    real = stream.schedule.slice
    monkeypatch.setattr(stream.schedule, "slice", lambda *given: asked.append(given[1]) or real(*given))
    far = [e.annotation_id for t in range(5) for e in stream.batch(10**12 + 8 * t, 8)]
    assert asked[0] == 8
    assert len(asked) == 2  # the second is kept for the batches to come
    assert far == [row.annotation_id for row in stream.ids(10**12, 40)]
    stream.batch(5, 8)
    assert asked[-1] == 8


def test_a_local_order_gives_the_same_things_block_by_block(tiny_home: Home, monkeypatch) -> None:
    monkeypatch.setattr("ib_data.mixtures.stream.stream.BlockShuffle", lambda: BlockShuffle(4, 2))
    far = open_stream(tiny_home, mixture(("vqav2", 40)), options=StreamOptions(local_order=True))
    near = [row.annotation_id for row in far.ids(count=40)]
    assert len(set(near)) == 40
    assert near != [row.annotation_id for row in open_stream(tiny_home, mixture(("vqav2", 40))).ids(count=40)]
    window = {annotation_id.split("-")[0] for annotation_id in near[:8]}
    assert len(window) == 4  # two blocks of four rows, two rows a sample


def test_what_is_not_built_is_named_or_left_out(tiny_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    spec = mixture(("vqav2", 40), ("aokvqa", 10), ("aokvqa_qg", 10), ("okvqa", 6))
    with pytest.raises(IbDataError, match=r"not built: aokvqa, aokvqa_qg; .*--available"):
        open_stream(tiny_home, spec)
    stream = open_stream(tiny_home, spec, available=True)
    assert "left out because not built: aokvqa, aokvqa_qg" in capsys.readouterr().err
    assert stream.mixture.names == ("vqav2", "okvqa")
    assert stream.fingerprint == open_stream(tiny_home, mixture(("vqav2", 40), ("okvqa", 6))).fingerprint


def test_nothing_built_is_said_so(empty_home: Home) -> None:
    for available in (False, True):
        with pytest.raises(IbDataError, match="none of its members is built"):
            open_stream(empty_home, BUILT, available=available)


def test_pinned_sizes_that_differ_are_said_once(tiny_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    spec = mixture(("vqav2", 443_757), ("okvqa", 6))
    open_stream(tiny_home, spec)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].endswith("vqav2 443,757 pinned, 40 built")
    with pytest.raises(IbDataError, match="443,757 pinned, 40 built"):
        open_stream(tiny_home, spec, strict=True)
    open_stream(tiny_home, BUILT)
    assert capsys.readouterr().err == ""


def test_unknown_datasets_and_splits_are_named(tiny_home: Home) -> None:
    with pytest.raises(IbDataError, match="unknown dataset 'vqav3'; did you mean 'vqav2'"):
        open_stream(tiny_home, mixture(("vqav3", 5)))
    with pytest.raises(IbDataError, match=r"vqav2_qg: .*there is no split 'test'"):
        open_stream(tiny_home, mixture(("vqav2_qg", 5), split="test"))


@pytest.fixture
def damaged(tiny_home: Home, tmp_path: Path) -> Path:
    """The folder of vqav2 in a separate home, to be damaged."""
    shutil.copytree(tiny_home.root, tmp_path / "home", ignore=shutil.ignore_patterns("cache"))
    return Home(tmp_path / "home").split("vqav2", "train")


def read_all(folder: Path) -> None:
    list(open_stream(Home(folder.parents[2]), mixture(("vqav2", 40))).examples(count=40))


def test_a_truncated_shard_is_named(damaged: Path) -> None:
    os.truncate(damaged / "vqav2-train-000000.tar", 3000)
    with pytest.raises(IbDataError, match=r"vqav2-train-000000\.tar: expected 20,480 bytes .*found 3,000; build vqav2"):
        read_all(damaged)


def test_a_missing_shard_is_named(damaged: Path) -> None:
    (damaged / "vqav2-train-000001.tar").unlink()
    with pytest.raises(IbDataError, match=r"vqav2-train-000001\.tar: shard is missing; build vqav2 again"):
        read_all(damaged)


def test_a_shard_of_another_build_is_noticed(damaged: Path) -> None:
    shard = damaged / "vqav2-train-000000.tar"
    before = shard.stat().st_mtime_ns
    shard.write_bytes(shard.read_bytes().replace(b"vqav2-train-00000", b"vqav2-train-00009"))
    with pytest.raises(IbDataError, match=r"vqav2-train-000000\.tar: expected sha256 .*build vqav2 again"):
        read_all(damaged)
    os.utime(shard, ns=(before, before))  # as old as the one that it stands for
    with pytest.raises(
        IbDataError,
        match=r"expected sample 'vqav2-train-00000[0-7]'.*found sample 'vqav2-train-00009[0-7]'.*build vqav2 again",
    ):
        read_all(damaged)


def test_a_faulty_annotation_stops_the_draws_of_it_alone(damaged: Path) -> None:
    shard = damaged / "vqav2-train-000000.tar"
    before = shard.stat().st_mtime_ns
    data = shard.read_bytes()
    assert data.count(b'"id":"0-1","question"') == 1
    shard.write_bytes(data.replace(b'"id":"0-1","question"', b'"id":"0-1","questiom"'))
    os.utime(shard, ns=(before, before))
    stream = open_stream(Home(damaged.parents[2]), BUILT, seed=5)
    rows = [(number, f"{ids.dataset} {ids.annotation_id}") for number, ids in enumerate(stream.ids(0, 400))]
    assert stream.at(next(number for number, name in rows if name == "vqav2 0-0")).annotation.question
    wrong = (
        r"vqav2: .*vqav2-train-000000\.tar: byte 0: sample\.annotations\[1\]: unknown key 'questiom'.*build vqav2 again"
    )
    with pytest.raises(IbDataError, match=wrong):
        stream.at(next(number for number, name in rows if name == "vqav2 0-1"))


def test_an_index_of_another_build_is_noticed(damaged: Path) -> None:
    shutil.copy(damaged.parents[1] / "okvqa" / "train" / INDEX, damaged / INDEX)
    with pytest.raises(IbDataError, match=r"index\.parquet: is damaged or of another build: .*build vqav2 again"):
        read_all(damaged)


@pytest.mark.parametrize("harm", [lambda p: p.unlink(), lambda p: p.write_bytes(b"PAR1?")])
def test_a_missing_or_damaged_index_is_named(damaged: Path, harm: Callable[[Path], object]) -> None:
    harm(damaged / INDEX)
    with pytest.raises(IbDataError, match=r"index\.parquet: (is missing|is damaged)"):
        read_all(damaged)


def test_without_a_manifest_nothing_is_built(damaged: Path) -> None:
    (damaged / MANIFEST).unlink()
    with pytest.raises(IbDataError, match="none of its members is built"):
        read_all(damaged)


def test_the_papers_mixture_streams_from_what_is_built(tiny_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(IbDataError, match=r"not built: .*web_capfilt.*--available"):
        open_stream(tiny_home, "instructblip")
    stream = open_stream(tiny_home, "instructblip", available=True)
    assert "left out because not built: " in capsys.readouterr().err
    assert len(list(stream.ids(0, 20))) == 20
