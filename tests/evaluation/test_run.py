"""A run: what is asked, what is written, how it continues, and what counts as wrong."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_model import ToyModel

from ib_data.cards import load_card
from ib_data.errors import IbDataError
from ib_data.evaluation.answering import Asked
from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.protocols.read import protocol_of
from ib_data.evaluation.run.asking import batches
from ib_data.evaluation.run.images import exchanged
from ib_data.evaluation.run.prediction_files import PREDICTIONS, PredictionFiles
from ib_data.evaluation.run.run import Run
from ib_data.evaluation.scoring.evaluated import Evaluated
from ib_data.home import Home
from ib_data.stored.store import LocalStore
from ib_data.templates.renderer import Renderer

VQAV2 = load_card("vqav2")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, build_split: Callable[..., Path], jpeg_of: Any) -> Home:
    found = Home(tmp_path_factory.mktemp("evaluated"))
    build_split(found, "vqav2", 12, split="validation", picture=jpeg_of)
    build_split(found, "coco_caption", 6, split="test", picture=jpeg_of)
    build_split(found, "aokvqa", 5, split="validation", picture=jpeg_of)
    build_split(found, "aokvqa", 2, split="train")
    return found


def run_of(home: Home, folder: Path, model: ToyModel, **values: Any) -> Run:
    return Run(model=model, store=LocalStore(home), folder=folder, renderer=Renderer(), batch_size=4, **values)


def evaluate(home: Home, folder: Path, model: ToyModel, **values: Any) -> Evaluated:
    found = run_of(home, folder, model, **values).evaluate(protocol_of(VQAV2))
    assert found is not None
    return found


def by_prompt(asked: Asked) -> str:
    """Another answer for each question, so that order matters."""
    return asked.prompt[-12:]


def test_every_question_is_asked_once_by_the_card_s_protocol(home: Home, tmp_path: Path) -> None:
    model = ToyModel(lambda asked: "red")
    found = evaluate(home, tmp_path, model)
    assert found.scores.score == 1.0  # nine of ten annotators
    assert len(model.asked) == len(found.cases) == 24
    assert model.decoding is not None
    assert (model.decoding.num_beams, model.decoding.max_new_tokens) == (5, 10)
    assert found.decoding["repetition_penalty"] == 1.5
    assert max(model.sizes) == 4


def test_one_annotator_of_ten_is_three_tenths(home: Home, tmp_path: Path) -> None:
    assert evaluate(home, tmp_path, ToyModel(lambda asked: "orange")).scores.score == pytest.approx(0.3, abs=1e-12)


def test_questions_of_one_image_share_its_pixels(home: Home, tmp_path: Path) -> None:
    model = ToyModel(by_prompt)
    evaluate(home, tmp_path, model)
    distinct = {id(asked.media[0]) for asked in model.asked}
    assert len(distinct) == 12
    assert {asked.media[0].shape for asked in model.asked if not isinstance(asked.media[0], bytes)} == {(8, 8, 3)}


def test_the_captions_of_an_image_are_one_case(home: Home, tmp_path: Path) -> None:
    model = ToyModel(lambda asked: "a drawing numbered 0-0")
    found = run_of(home, tmp_path, model).evaluate(protocol_of(load_card("coco_caption")))
    assert found is not None
    assert len(found.cases) == len(model.asked) == 6
    assert [len(gold) for gold in found.golds] == [2] * 6
    assert found.num_used == 12
    assert {"bleu-4", "rouge-l"} <= found.scores.also.keys()


class StopError(Exception):
    """A model that dies."""


@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_a_killed_run_goes_on_and_ends_in_the_same_file(home: Home, tmp_path: Path, after: int) -> None:
    evaluate(home, tmp_path / "whole", ToyModel(by_prompt))
    calls = 0

    def dies(asked: Asked) -> str:
        nonlocal calls
        calls += 1
        if calls > 4 * after:
            raise StopError
        return by_prompt(asked)

    with pytest.raises(StopError):
        evaluate(home, tmp_path / "killed", ToyModel(dies))
    model = ToyModel(by_prompt)
    evaluate(home, tmp_path / "killed", model)
    assert len(model.asked) == 24 - 4 * after
    files = [tmp_path / name / "vqav2" / PREDICTIONS for name in ("whole", "killed")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert sorted(path.name for path in files[1].parent.iterdir()) == [PREDICTIONS, "run.json"]


def test_an_unfinished_last_line_is_asked_again(home: Home, tmp_path: Path) -> None:
    evaluate(home, tmp_path / "whole", ToyModel(by_prompt))
    whole = tmp_path / "whole" / "vqav2"
    lines = (whole / PREDICTIONS).read_bytes().splitlines(keepends=True)
    (tmp_path / "cut" / "vqav2").mkdir(parents=True)
    (tmp_path / "cut" / "vqav2" / "run.json").write_bytes((whole / "run.json").read_bytes())
    (tmp_path / "cut" / "vqav2" / "predictions-0-of-1.part").write_bytes(b"".join(lines[:5]) + lines[5][:9])
    evaluate(home, tmp_path / "cut", ToyModel(by_prompt))
    assert (tmp_path / "cut" / "vqav2" / PREDICTIONS).read_bytes() == (whole / PREDICTIONS).read_bytes()


def test_a_finished_run_asks_nothing_again(home: Home, tmp_path: Path) -> None:
    first = evaluate(home, tmp_path, ToyModel(by_prompt))
    model = ToyModel(by_prompt)
    assert evaluate(home, tmp_path, model).scores.score == first.scores.score
    assert model.asked == []


def test_processes_share_the_work_and_end_in_the_same_file(home: Home, tmp_path: Path) -> None:
    evaluate(home, tmp_path / "one", ToyModel(by_prompt))
    models = [ToyModel(by_prompt) for _ in range(3)]
    for rank in (2, 1):
        run = run_of(home, tmp_path / "three", models[rank], world=3, rank=rank)
        assert run.evaluate(protocol_of(VQAV2)) is None
    evaluate(home, tmp_path / "three", models[0], world=3, rank=0)
    assert sum(len(model.asked) for model in models) == 24
    assert all(model.asked for model in models)
    files = [tmp_path / name / "vqav2" / PREDICTIONS for name in ("one", "three")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_run_may_continue_with_another_number_of_processes(home: Home, tmp_path: Path) -> None:
    assert run_of(home, tmp_path, ToyModel(by_prompt), world=2, rank=1).evaluate(protocol_of(VQAV2)) is None
    model = ToyModel(by_prompt)
    evaluate(home, tmp_path, model)
    assert len(model.asked) == 12


def test_predictions_of_another_model_are_not_taken(home: Home, tmp_path: Path) -> None:
    evaluate(home, tmp_path, ToyModel(by_prompt))
    with pytest.raises(
        IbDataError, match=r"run.json: was made from another model \(values was 'toy', is 'other'\); remove .*vqav2"
    ):
        evaluate(home, tmp_path, ToyModel(by_prompt, name="other"))
    with pytest.raises(IbDataError, match="another number of cases"):
        evaluate(home, tmp_path, ToyModel(by_prompt), number=5)


def test_what_fails_is_listed_and_wrong(home: Home, tmp_path: Path) -> None:
    def fails(asked: Asked) -> str:
        if "3-1" in asked.prompt:
            raise IbDataError("too long")
        return "red"

    found = evaluate(home, tmp_path, ToyModel(fails))
    failed = [one for one in found.predictions if one.error]
    assert [(one.id, one.error) for one in failed] == [("3-1", "too long")]
    assert found.scores.score == pytest.approx(23 / 24)


def test_a_model_that_answers_nothing_at_all_is_an_error(home: Home, tmp_path: Path) -> None:
    def fails(asked: Asked) -> str:
        raise IbDataError("the memory does not suffice")

    with pytest.raises(IbDataError, match="none of 24 questions could be answered: the memory"):
        evaluate(home, tmp_path, ToyModel(fails))


def test_what_failed_is_asked_again(home: Home, tmp_path: Path) -> None:
    def fails(asked: Asked) -> str:
        if "3-1" in asked.prompt:
            raise IbDataError("no memory")
        return "red"

    evaluate(home, tmp_path, ToyModel(fails))
    model = ToyModel(lambda asked: "red")
    found = evaluate(home, tmp_path, model)
    assert found.scores.score == 1.0
    assert ["3-1" in asked.prompt for asked in model.asked].count(True) == 1
    assert len(model.asked) == 4  # its batch


def test_an_answer_stays_if_another_process_failed_before(tmp_path: Path) -> None:
    """With another batch size, another process asks again what failed."""
    with PredictionFiles(tmp_path, {}, world=2, rank=1) as files:
        files.add([Prediction(id="1", error="no memory")])
        assert files.finish([case(1, 1)]) is None
    with PredictionFiles(tmp_path, {}, world=2, rank=0) as files:
        files.add([Prediction(id="1", answer="red")])
        found = files.finish([case(1, 1)])
    assert found is not None
    assert (found["1"].answer, found["1"].error) == ("red", "")


def test_an_image_that_cannot_be_decoded_is_wrong_and_named(tmp_path: Path, build_split: Any) -> None:
    broken = Home(tmp_path / "home")
    build_split(broken, "vqav2", 2, split="validation")
    with pytest.raises(IbDataError, match="its image cannot be decoded"):
        evaluate(broken, tmp_path / "out", ToyModel(by_prompt))


def test_a_part_is_the_same_for_every_model_and_a_larger_one_includes_it(home: Home, tmp_path: Path) -> None:
    chosen = {}
    for number in (4, 9):
        found = evaluate(home, tmp_path / str(number), ToyModel(by_prompt), number=number)
        assert found.is_part
        chosen[number] = {case.id for case in found.cases}
    assert len(chosen[4]) == 4
    assert chosen[4] < chosen[9]
    assert not evaluate(home, tmp_path / "all", ToyModel(by_prompt), number=24).is_part


def test_shuffled_images_are_of_other_samples(home: Home, tmp_path: Path) -> None:
    plain, shuffled = ToyModel(by_prompt), ToyModel(by_prompt)
    evaluate(home, tmp_path / "plain", plain)
    evaluate(home, tmp_path / "shuffled", shuffled, shuffle_seed=0)
    images = [
        {asked.prompt: np.asarray(asked.media[0]).tobytes() for asked in model.asked} for model in (plain, shuffled)
    ]
    assert images[0].keys() == images[1].keys()
    assert all(images[0][prompt] != images[1][prompt] for prompt in images[0])
    assert set(images[0].values()) == set(images[1].values())


def test_ranked_options_choose_by_index(home: Home, tmp_path: Path) -> None:
    model = ToyModel(lambda asked, text: len(text))  # the longest: green
    found = run_of(home, tmp_path, model).evaluate(protocol_of(load_card("aokvqa"), method="rank"))
    assert found is not None
    assert {one.choice for one in found.predictions} == {2}
    assert found.scores.score == 0.0
    assert found.golds[0] == ("blue",)


def test_equal_scores_go_to_the_lower_index(home: Home, tmp_path: Path) -> None:
    found = run_of(home, tmp_path, ToyModel(lambda asked, text: 1)).evaluate(
        protocol_of(load_card("aokvqa"), method="rank")
    )
    assert found is not None
    assert {one.choice for one in found.predictions} == {0}


def test_a_damaged_prediction_is_one_line(home: Home, tmp_path: Path) -> None:
    evaluate(home, tmp_path, ToyModel(by_prompt))
    file = tmp_path / "vqav2" / PREDICTIONS
    lines = file.read_text().splitlines()
    values = json.loads(lines[1])
    del values["id"]
    file.write_text("\n".join([lines[0], json.dumps(values), *lines[2:]]) + "\n")
    with pytest.raises(IbDataError, match="line 2 is not a prediction"):
        evaluate(home, tmp_path, ToyModel(by_prompt))


def case(number: int, image: int, prompt: str = "what?") -> Case:
    return Case(
        id=str(number), key=f"k{image:03d}", annotations=(), prompt=prompt, template="t", media_sha256=f"{image:064x}"
    )


@given(st.lists(st.integers(0, 30), min_size=2, max_size=60), st.integers(0, 2**32))
def test_exchanging_is_a_derangement(images: list[int], seed: int) -> None:
    cases = [case(i, image) for i, image in enumerate(images)]
    if len(set(images)) < 2:
        with pytest.raises(IbDataError, match="cannot be exchanged"):
            exchanged(cases, seed)
        return
    partners = exchanged(cases, seed)
    assert all(key != partner for key, partner in partners.items())
    assert set(partners.values()) == {one.key for one in cases}


@given(st.lists(st.integers(1, 7), min_size=1, max_size=30), st.integers(1, 9))
def test_batches_hold_every_case_once_and_keep_images_together(counts: list[int], size: int) -> None:
    cases = [case(i * 10 + j, i, "x" * (i % 5)) for i, count in enumerate(counts) for j in range(count)]
    found = list(batches(cases, size))
    assert sorted(one.id for batch in found for one in batch) == sorted(one.id for one in cases)
    assert all(1 <= len(batch) <= size for batch in found)
    for i, count in enumerate(counts):
        holding = sum(any(one.key == f"k{i:03d}" for one in batch) for batch in found)
        assert holding <= (1 if count <= size else -(-count // size) + 1)


def test_an_answer_stays_whatever_failed_elsewhere(home: Home, tmp_path: Path) -> None:
    def fails(asked: Asked) -> str:
        if "3-1" in asked.prompt:
            raise IbDataError("no memory")
        return "red"

    for rank in (1, 2):
        assert run_of(home, tmp_path, ToyModel(fails), world=3, rank=rank).evaluate(protocol_of(VQAV2)) is None
    assert evaluate(home, tmp_path, ToyModel(lambda asked: "red")).scores.score == 1.0


def test_a_process_of_an_earlier_run_is_not_waited_for(home: Home, tmp_path: Path) -> None:
    """Rank 1 finished, rank 0 was killed, and the run begins again with other batches."""
    assert run_of(home, tmp_path, ToyModel(by_prompt), world=2, rank=1).evaluate(protocol_of(VQAV2)) is None
    other = Run(
        model=ToyModel(by_prompt), store=LocalStore(home), folder=tmp_path, renderer=Renderer(), batch_size=5,
        world=2, rank=1,
    )  # fmt: skip
    assert other.evaluate(protocol_of(VQAV2)) is None
    found = replace(other, rank=0, model=ToyModel(by_prompt)).evaluate(protocol_of(VQAV2))
    assert found is not None
    assert not any(one.error for one in found.predictions)


def test_the_failure_of_another_process_ends_the_first_one(tmp_path: Path) -> None:
    with pytest.raises(IbDataError, match="no memory"), PredictionFiles(tmp_path / "a", {}, world=2, rank=1):
        raise IbDataError("no memory")
    files = PredictionFiles(tmp_path / "a", {}, world=2, rank=0)
    with files, pytest.raises(IbDataError, match="another process failed: no memory"):
        files.finish([case(1, 1)])


def test_a_score_that_is_no_number_is_an_error_of_its_case(home: Home, tmp_path: Path) -> None:
    model = ToyModel(lambda asked, text: float("nan") if "3-1" in asked.prompt and text == "blue" else len(text))
    run = run_of(home, tmp_path, model)
    found = run.evaluate(protocol_of(load_card("aokvqa"), method="rank"))
    assert found is not None
    assert [one.error for one in found.predictions if one.error] == ["the score of candidate 1 is not a number"]
    assert run.evaluate(protocol_of(load_card("aokvqa"), method="rank")) is not None


def test_the_name_of_a_model_does_not_matter(home: Home, tmp_path: Path) -> None:
    evaluate(home, tmp_path, ToyModel(by_prompt))
    renamed = ToyModel(by_prompt)
    renamed.name = "/another/path"
    evaluate(home, tmp_path, renamed)
    assert renamed.asked == []


def test_a_model_may_take_the_stored_bytes(home: Home, tmp_path: Path) -> None:
    model = ToyModel(by_prompt)
    model.images = None
    evaluate(home, tmp_path, model)
    assert all(isinstance(asked.media[0], bytes) and asked.media[0][:2] == b"\xff\xd8" for asked in model.asked)


def test_another_number_of_answers_than_questions_is_an_error_of_the_model(home: Home, tmp_path: Path) -> None:
    class Short(ToyModel):
        def generate(self, asked: Any, decoding: Any) -> Any:
            return super().generate(asked, decoding)[1:]

    with pytest.raises(ValueError, match="generate: expected 4 answers, the model gave 3"):
        evaluate(home, tmp_path, Short(by_prompt))


def test_only_the_best_of_a_vocabulary_may_be_known(home: Home, tmp_path: Path) -> None:
    """Of the test: half of the scores are unknown, and what was written is read again."""
    asked: list[bool] = []

    class Searching(ToyModel):
        def rank(self, *given: Any, only_best: bool = False) -> Any:
            asked.append(only_best)
            return super().rank(*given)

    model = Searching(lambda asked, text: 1.0 if text == "orange" else float("-inf"))
    protocol = replace(protocol_of(load_card("aokvqa"), method="rank"), candidates="vocabulary", vocabulary_least=1)
    options = protocol_of(load_card("aokvqa"), method="rank")
    for number, chosen in enumerate((protocol, options)):
        found = run_of(home, tmp_path / str(number), model, only_best=True).evaluate(chosen)
        assert found is not None
        assert run_of(home, tmp_path / str(number), model, only_best=True).evaluate(chosen) is not None
    assert asked == [True] * 3 + [False] * 3


def test_a_damaged_sample_is_wrong_and_listed(tmp_path: Path, build_split: Any, jpeg_of: Any) -> None:
    damaged = Home(tmp_path / "home")
    folder = build_split(damaged, "vqav2", 12, split="validation", shard_samples=4, picture=jpeg_of)
    shard = sorted(folder.glob("*.tar"))[1]
    shard.unlink()
    found = evaluate(damaged, tmp_path / "out", ToyModel(lambda asked: "red"))
    failed = [one for one in found.predictions if one.error]
    assert len(failed) == 8
    assert shard.name in failed[0].error
    assert found.scores.score == pytest.approx(16 / 24)
