"""`log.jsonl` of a run: what each line holds, in strict JSON."""

import dataclasses
import io
import json
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from format_page import check_keys, example
from toy_curves import curves_of
from toy_models import shared_toy_folder
from toy_training import KilledError, ToyStream, silent, toy_collator, toy_config, toy_example, toy_loaded, train_on

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.stored.meter import Meter
from ib_data.training.estimate.flops import Row, step_flops
from ib_data.training.estimate.parts import parts_of
from ib_data.training.features.cache import FeatureCounts
from ib_data.training.loop import checkpoint, step_log
from ib_data.training.loop.ranks import Ranks
from ib_data.training.loop.run import fresh_run
from ib_data.training.loop.speed import StepCounter, over_ranks, row_lengths
from ib_data.training.loop.step import StepResult
from ib_data.training.loop.step_log import StepLog
from ib_data.training.loop.train_log import TrainLog, step_rows
from ib_data.training.loop.validation import Validated


def lines_of(run: Path) -> list[dict[str, Any]]:
    """All lines, as strict JSON: NaN and Infinity are errors."""
    return [json.loads(line, parse_constant=pytest.fail) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four steps in two micro-batches, with targets of at most two tokens."""
    out = tmp_path_factory.mktemp("finished")
    config = toy_config(steps=4, save_every=2, micro_batch_size=4, max_target_tokens=2)
    train_on(config, ToyStream(), out, silent)
    return out


def test_every_step_is_a_line_with_losses_speeds_and_counts(finished: Path) -> None:
    rows = step_rows((finished / "log.jsonl").read_bytes())
    assert [row["step"] for row in rows] == [0, 1, 2, 3]
    for row in rows:
        assert row["task_losses"] == {"captioning": pytest.approx(row["loss"])}
        assert row["samples_per_s"] * row["step_s"] == pytest.approx(8)
        assert row["target_tokens_per_s"] * row["step_s"] == pytest.approx(16)
        assert row["wait_share"] == pytest.approx(row["wait_s"] / row["step_s"])
        assert 0 < row["wait_share"] < 1
        assert row["peak_memory_bytes"] > 50_000_000  # torch alone takes more
        assert row["gradient_norm"] > 0
        assert row.keys() >= {"read_s", "decode_s", "render_s", "num_bad", "num_fetched", "num_cache_hits"}
        assert (row["num_bad"], row["num_cut_instructions"]) == (0, 0)
    assert [row["num_cut_targets"] for row in rows] == [0, 0, 8, 0]  # the third eight are whole sentences
    assert rows[1]["learning_rate"] > rows[0]["learning_rate"]


def test_the_page_of_formats_names_what_a_line_holds(finished: Path) -> None:
    for row in step_rows((finished / "log.jsonl").read_bytes()):
        check_keys(row, "`log.jsonl`")
    check_keys(example("`log.jsonl`"), "`log.jsonl`")


def test_the_first_line_says_what_the_run_is(finished: Path) -> None:
    first, *rest = lines_of(finished)
    model = toy_loaded().model
    assert first["num_trained"] == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert first["num_trained"] + first["num_frozen"] == sum(p.numel() for p in model.parameters())
    assert (first["world"], first["micro_batches"], first["batch_size"], first["precision"]) == (1, 2, 8, "float32")
    assert first["ceiling_tflops_per_s"] > 0
    assert not any("ceiling_tflops_per_s" in row for row in rest)


def test_epochs_are_logged_at_every_checkpoint(finished: Path) -> None:
    found = {row["step"]: row["epochs"] for row in lines_of(finished) if "epochs" in row}
    expected = pytest.approx(32 / 24)
    assert found == {
        2: {"toy": {"seen": pytest.approx(16 / 24), "expected": expected}},
        4: {"toy": {"seen": expected, "expected": expected}},
    }
    kept = (finished / "step-000002" / "log.jsonl").read_text().splitlines()
    assert json.loads(kept[-1])["step"] == 2


def test_speed_is_by_the_counted_flops_of_the_real_batches(finished: Path) -> None:
    parts, collate = parts_of(toy_loaded().config), toy_collator(micro_batch_size=4, max_target_tokens=2)
    counter = StepCounter(parts)
    for row in step_rows((finished / "log.jsonl").read_bytes()):
        first = row["step"] * 8
        batch = collate([toy_example(position) for position in range(first, first + 8)])
        counts = counter.counts(batch)
        assert row["tflops_per_s"] * row["step_s"] * 1e12 == pytest.approx(counts["flops"])
        assert row["language_tokens_per_s"] * row["step_s"] == pytest.approx(counts["num_language_tokens"])
        lengths = [row for micro in batch.micro for row in row_lengths(micro, 8)]
        rows = [Row(instruction=a, target=b, qformer=c, frames=d) for a, b, c, d in lengths]
        # The images of a micro-batch are distinct here: four encodings each.
        assert counts["flops"] == pytest.approx(step_flops(parts, rows, num_images=8).total)


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_the_lengths_of_rows_leave_padding_out(family: str) -> None:
    collate, counter = toy_collator(family), StepCounter(parts_of(toy_loaded(family).config))
    examples = [toy_example(position) for position in (0, 8, 16)]
    clip = dataclasses.replace(examples[1], pixels=torch.stack([torch.from_numpy(examples[1].pixels)] * 2).numpy())
    examples[1] = clip
    batch = collate.batch(examples)
    for given, found, frames in zip(examples, row_lengths(batch, 8), (1, 2, 1), strict=True):
        row = collate.rows.row(given.rendered, frames)
        assert found == (len(row.prompt) - 8 * frames, len(row.output), len(row.qformer), frames)
    step = collate(examples)
    lengths = [
        len(row.prompt) + len(row.output) for row in map(collate.rows.row, [e.rendered for e in examples], (1, 2, 1))
    ]
    assert counter.counts(step)["num_language_tokens"] == sum(lengths)
    assert counter.counts(step, num_encoded=0)["flops"] < counter.counts(step)["flops"]


def test_numbers_of_all_processes_come_in_one_reduction() -> None:
    sent: list[list[float]] = []

    def of(rank: int, total: list[float]) -> dict[str, float]:
        def sums(values: list[float]) -> list[float]:
            sent.append(list(values))
            return total

        ranks: Any = SimpleNamespace(world=3, rank=rank, sums=sums)
        return over_ranks(ranks, {"read_s": 1.0 + rank, "num_bad": rank}, {"wait_s": 5.0 - rank, "memory": 10.0 * rank})

    for rank in range(3):
        of(rank, [0.0] * 8)
    assert len(sent) == 3
    total = [sum(values) for values in zip(*sent, strict=True)]
    assert of(0, total) == of(2, total) == {"read_s": 6.0, "num_bad": 3, "wait_s": 5.0, "memory": 20.0}


def test_the_time_of_saving_is_not_in_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def tick() -> float:
        now[0] += 1
        return now[0]

    save = checkpoint.save

    def slow_save(*given: Any) -> Path:
        now[0] += 1000
        return save(*given)

    monkeypatch.setattr(step_log, "time", SimpleNamespace(perf_counter=tick))
    monkeypatch.setattr(checkpoint, "save", slow_save)
    train_on(toy_config(steps=3, save_every=1), ToyStream(), tmp_path, silent)
    assert [row["step_s"] for row in lines_of(tmp_path) if "loss" in row] == [1, 1, 1]


def test_a_resumed_run_has_each_step_and_each_epoch_line_once(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        train_on(toy_config(steps=4, save_every=2), ToyStream(stop_at=26), tmp_path, silent)
    train_on(toy_config(steps=4, save_every=2), ToyStream(), tmp_path, silent)
    lines = lines_of(tmp_path)
    assert [row["step"] for row in lines if "loss" in row] == [0, 1, 2, 3]
    assert [row["step"] for row in lines if "epochs" in row] == [2, 4]
    assert [row["step"] for row in lines if "device" in row] == [0, 2]
    whole = (tmp_path / "log.jsonl").read_bytes()
    train_on(toy_config(steps=4, save_every=2), ToyStream(), tmp_path, silent)  # finished: nothing to add
    assert (tmp_path / "log.jsonl").read_bytes() == whole


def step_log_in(out: Path, stack: ExitStack, **options: Any) -> StepLog:
    """The log of a run that begins, in the folder `out`."""
    config = toy_config(tensorboard=True)
    ranks = Ranks(world=1, rank=0, device=torch.device("cpu"))
    run = fresh_run(config, Home(out), shared_toy_folder(), ranks)
    log = stack.enter_context(TrainLog(out / "log.jsonl", b""))
    stream: Any = ToyStream()
    return stack.enter_context(StepLog(config, stream, run, out, ranks, silent, log, **options))


def test_hits_of_a_feature_cache_are_counted_and_their_flops_are_not(tmp_path: Path) -> None:
    counts = FeatureCounts(num_hits=100)  # of a validation before the first step
    batch = toy_collator()([toy_example(position) for position in range(8)])
    result = StepResult(loss=1.0, task_losses={}, num_targets=batch.num_targets, gradient_norm=float("inf"), fault=None)
    with ExitStack() as stack:
        log = step_log_in(tmp_path, stack, features=counts)
        log.begin()
        counts.num_hits, counts.num_misses = 3, 5
        log.end(0, batch, result, Meter())
    (row,) = (row for row in lines_of(tmp_path) if "loss" in row)
    assert (row["num_feature_hits"], row["num_feature_misses"]) == (3, 5)
    counted = StepCounter(parts_of(toy_loaded().config)).counts(batch, 5)["flops"]
    assert row["tflops_per_s"] * row["step_s"] * 1e12 == pytest.approx(counted)
    # Squares of finite gradients may overflow: such a step is taken, and its line is still JSON.
    assert row["gradient_norm"] is None


def test_a_validation_is_a_line_and_a_point(tmp_path: Path) -> None:
    found = Validated(losses={"toy": 1.5, "other": None}, examples="toy")
    with ExitStack() as stack:
        step_log_in(tmp_path, stack).add_check(found, 3)
    assert lines_of(tmp_path)[-1] == found.row(3)
    assert curves_of(tmp_path) == {"validation/toy": {3: 1.5}}


def test_only_the_main_process_writes(tmp_path: Path) -> None:
    with TrainLog(tmp_path / "log.jsonl", b'{"step": 0, "loss": 2.0}\n', is_main=False) as log:
        log.add({"step": 1, "loss": 1.0})
        log.add({"step": 2, "epochs": {}})
        assert log.losses() == [2.0, 1.0]
    assert list(tmp_path.iterdir()) == []


def test_not_a_number_is_never_written(tmp_path: Path) -> None:
    with TrainLog(tmp_path / "log.jsonl", b"") as log, pytest.raises(ValueError, match="not JSON compliant"):
        log.add({"step": 0, "loss": float("nan")})
    assert (tmp_path / "log.jsonl").read_bytes() == b""


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, _data: Any) -> int:
            raise OSError(28, "No space left on device")

    with TrainLog(tmp_path / "log.jsonl", b"", is_main=False) as log:
        monkeypatch.setattr(log, "_file", Full())
        with pytest.raises(IbDataError, match=r"log\.jsonl: cannot be written \(No space left on device\); free some"):
            log.add({"step": 0, "loss": 1.0})
