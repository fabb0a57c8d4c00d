"""`to_webdataset` with the real `webdataset` package and WebLoader."""

import sys
from collections import Counter
from itertools import islice
from typing import Any

import pytest
import webdataset

import ib_data
from ib_data.errors import IbDataError, MissingExtraError
from ib_data.home import Home
from ib_data.mixtures.bridges.to_webdataset import LACKS
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.spec.weights import weights


def loaded(pipeline: Any, workers: int = 2) -> list[dict[str, Any]]:
    return list(webdataset.WebLoader(pipeline, batch_size=None, num_workers=workers))


def test_workers_give_each_annotation_once_rendered_as_everywhere(
    picture_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = ib_data.to_webdataset(str(picture_home.root), "vqav2", seed=3)
    assert capsys.readouterr().err == f"{LACKS}\n"
    assert isinstance(pipeline, webdataset.DataPipeline)
    split = ib_data.open_split(picture_home, "vqav2")
    annotations = list(split.annotations())
    for _epoch in range(2):
        found = sorted(loaded(pipeline), key=lambda sample: sample["position"])
        assert [sample["annotation_id"] for sample in found] == [annotation.id for annotation in annotations]
        for row, (sample, annotation) in enumerate(zip(found, annotations, strict=True)):
            rendered = ib_data.render("vqav2", annotation, seed=3, position=row)
            assert (sample["instruction"], sample["target"]) == (rendered.instruction, rendered.target)
            assert (sample["template"], sample["position"]) == (rendered.template, row)
            assert sample["__key__"] == f"{split.ref_at(row).key}-{row % 2}"
            assert sample["image"].size == (40, 30)
    assert len({sample["__key__"] for sample in found}) == len(split)


def test_the_image_is_that_of_the_sample(picture_home: Home) -> None:
    split = ib_data.open_split(picture_home, "vqav2")
    for sample in ib_data.to_webdataset(picture_home, "vqav2", decode=None):
        assert sample["image"] == split.media(sample["key"])


def test_another_epoch_has_other_positions_and_ordinary_stages_follow(picture_home: Home) -> None:
    first, second = (list(ib_data.to_webdataset(picture_home, "okvqa", epoch=epoch)) for epoch in (0, 1))
    assert [sample["position"] for sample in second] == [sample["position"] + 6 for sample in first]
    assert [sample["instruction"] for sample in second] != [sample["instruction"] for sample in first]
    pipeline = ib_data.to_webdataset(picture_home, "okvqa").shuffle(10).to_tuple("image", "instruction", "target")
    (batch,) = pipeline.batched(6)
    assert [len(column) for column in batch] == [6, 6, 6]


def test_a_view_renders_its_own_task(picture_home: Home) -> None:
    found = list(ib_data.to_webdataset(picture_home, "vqav2_qg"))
    questions = [annotation.question for annotation in ib_data.open_split(picture_home, "vqav2").annotations()]
    assert [sample["target"] for sample in found] == questions
    assert {sample["dataset"] for sample in found} == {"vqav2_qg"}


def test_shards_of_an_object_store_give_the_same(picture_home: Home, near: Home) -> None:
    url = (picture_home.root / "shards").as_uri()
    for cache_bytes in (None, 0):  # whole shards in the cache, and one range each
        far = ib_data.to_webdataset(near, "vqav2", shards=url, cache_bytes=cache_bytes)
        here = ib_data.to_webdataset(picture_home, "vqav2")
        for one, other in zip(far, here, strict=True):
            assert one["instruction"] == other["instruction"]
            assert one["image"].tobytes() == other["image"].tobytes()
            assert one["__url__"].startswith("file:")


def test_a_mixture_has_no_end_and_keeps_its_weights(picture_home: Home) -> None:
    def of(seed: int, count: int = 1500) -> list[dict[str, Any]]:
        pipeline = ib_data.to_webdataset(picture_home, "demo", seed=seed, available=True, decode=None)
        return list(islice(pipeline, count))

    found = of(0)
    assert [sample["key"] for sample in of(0, 50)] == [sample["key"] for sample in found[:50]]
    assert [sample["key"] for sample in of(1, 50)] != [sample["key"] for sample in found[:50]]
    share = weights(load_mixture("demo").only({sample["dataset"] for sample in found}))
    counts = Counter(sample["dataset"] for sample in found)
    assert set(counts) == {"vqav2", "coco_caption", "okvqa", "vqav2_qg"}
    assert all(abs(counts[name] / len(found) - share[name]) < 0.04 for name in counts)
    seen = {name: {s["annotation_id"] for s in found if s["dataset"] == name} for name in counts}
    assert {name: len(ids) for name, ids in seen.items()} == {
        "vqav2": 40,
        "coco_caption": 18,
        "okvqa": 6,
        "vqav2_qg": 40,
    }
    split = ib_data.open_split(picture_home, "coco_caption")
    by_id = {annotation.id: annotation for annotation in split.annotations()}
    for sample in found[:100]:
        if sample["dataset"] == "coco_caption":
            annotation = by_id[sample["annotation_id"]]
            rendered = ib_data.render("coco_caption", annotation, position=sample["position"])
            assert (sample["instruction"], sample["target"]) == (rendered.instruction, rendered.target)


def test_the_workers_of_a_mixture_draw_different_positions(picture_home: Home) -> None:
    pipeline = ib_data.to_webdataset(picture_home, "demo", available=True, decode=None)
    found = list(islice(webdataset.WebLoader(pipeline, batch_size=None, num_workers=2), 40))
    positions = [sample["position"] for sample in found]
    assert sorted(positions) == list(range(40))


def test_an_annotation_that_no_template_fits_is_for_the_handler(picture_home: Home, tmp_path: Any) -> None:
    (tmp_path / "question_answering.toml").write_text(
        'target = "{{ answer }}"\nunused = ["label"]\n[train]\nbeside = "{{ context }} {{ question }}"\n'
    )
    given = {"templates": str(tmp_path), "decode": None}
    with pytest.raises(IbDataError, match="context"):
        list(ib_data.to_webdataset(picture_home, "vqav2", **given))
    passing = ib_data.to_webdataset(picture_home, "vqav2", handler=webdataset.ignore_and_continue, **given)
    assert list(passing) == []
    stopped = ib_data.to_webdataset(picture_home, "vqav2", handler=webdataset.ignore_and_stop, **given)
    assert list(stopped) == []


def test_what_is_missing_is_named(picture_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IbDataError, match="run `ib-data build gqa`"):
        ib_data.to_webdataset(picture_home, "gqa")
    with pytest.raises(IbDataError, match="did you mean 'demo'"):
        ib_data.to_webdataset(picture_home, "dmo")
    with pytest.raises(IbDataError, match="split='train' is for a dataset"):
        ib_data.to_webdataset(picture_home, "demo", "train")
    monkeypatch.setitem(sys.modules, "webdataset", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ib-data\[webdataset\]'"):
        ib_data.to_webdataset(picture_home, "vqav2")


def test_a_chat_gives_whole_conversations_without_media(dialogues: Home, tmp_path: Any) -> None:
    spec = tmp_path / "chats.toml"
    spec.write_text('base = "instructblip"\nonly = ["llava_conversation"]\n[render]\nturns = "chat"\n')
    found = list(islice(ib_data.to_webdataset(dialogues, str(spec)), 120))
    assert not any({"image", "video"} & sample.keys() for sample in found)
    ends = {example.annotation_id for example in ib_data.open_stream(dialogues, str(spec)).batch(0, 300)}
    assert {sample["annotation_id"] for sample in found} <= ends
    split = ib_data.open_split(dialogues, "llava_conversation")
    by_id = {annotation.id: annotation for annotation in split.annotations()}
    for sample in found:
        turns = [turn.question for turn in by_id[sample["annotation_id"]].history]
        assert len(sample["earlier"]) == len(turns)
        assert all(asked in turn["question"] for asked, turn in zip(turns, sample["earlier"], strict=True))
