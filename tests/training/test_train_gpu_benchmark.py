"""The benchmark of training runs on a CPU at tiny shapes, and measures two loops that compute the same."""

import importlib
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from ib_data.errors import IbDataError
from ib_data.home import Home

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
ONE, FIVE = "ours, 1 an image", "ours, 5 an image"
FAST = "--shapes tiny --device cpu --batch 5 --rounds 1 --round-seconds 0 --workers 0".split()  # noqa: SIM905


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("train_gpu")


def test_both_families_are_measured(
    benchmark: ModuleType,
    picture_home: Home,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "found.json"
    compilers = iter([lambda model: None])  # for the first model; compiling itself would take a minute
    monkeypatch.setattr(benchmark, "compile_parts", lambda model: next(compilers)(model))
    benchmark.main([*FAST, "--home", str(picture_home.root), "--out", str(out), "--json", "--compile"])
    found = json.loads(out.read_text())
    assert json.loads(capsys.readouterr().out) == found
    assert found["machine"]["card"] is None
    assert found["machine"]["processor"]
    assert found["skipped"] == []
    for model in (found["models"][name] for name in ("tiny-t5", "tiny-llama")):
        assert set(model["synthetic"]) == set(model["stream"]) == {"stock", ONE, FIVE}
        for row in (*model["synthetic"].values(), *model["stream"].values()):
            assert row["samples_per_s"] > 0
            assert 0 <= row["waiting_share"] <= 1
            assert row["rounds"] == 1
            assert row["annotations_per_step"] > 0
        # One image in place of five, and the vocabulary at the targets alone.
        flops = {name: row["gflop_per_sample"] for name, row in model["synthetic"].items()}
        assert flops[FIVE] < flops[ONE] < flops["stock"]
        for check in model["checked"].values():
            assert check["ours"] == pytest.approx(check["stock"], rel=1e-4)
            assert check["gradient_apart"] < 1e-3
    compiled = found["models"]["tiny-t5"]["compiled"]
    assert compiled["times_eager"] == pytest.approx(
        compiled["samples_per_s"] / compiled["eager"]["samples_per_s"], 1e-2
    )
    assert "StopIteration" in found["models"]["tiny-llama"]["compiled"]["failed"]
    text = benchmark.tables(found)
    assert "torch.compile" in text
    assert "compiling failed: StopIteration" in text
    assert "tiny-llama" in text
    assert "of ceiling" in text


def test_what_has_no_time_is_named(benchmark: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark.main([*FAST, "--models", "tiny-t5", "--seconds", "-1"])
    assert "skipped, no time left: tiny-t5" in capsys.readouterr().out


def test_loops_that_differ_are_not_timed(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    real = benchmark.OurLoop.loss
    monkeypatch.setattr(benchmark.OurLoop, "loss", lambda self, batch: 1.01 * real(self, batch))
    with pytest.raises(IbDataError, match="do not compute the same"):
        benchmark.main([*FAST, "--models", "tiny-llama"])


def test_a_batch_that_does_not_fit_is_halved(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def model(self: object, name: str, batch: int, *rest: object) -> dict[str, object]:
        asked.append(batch)
        if batch > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {"batch": batch, "checked": {"a": {"stock": 1.0, "ours": 1.0}}}

    monkeypatch.setattr(benchmark.Bench, "_model", model)
    benchmark.main([*FAST, "--batch", "8", "--models", "tiny-t5"])
    assert asked == [8, 4, 2]
    assert "batch 2" in capsys.readouterr().out


class Loader:
    """Batches 0, 1, 2, ...; knows whether it was closed."""

    workers, prefetch_factor, is_closed = 3, 2, False

    def __iter__(self) -> Iterator[int]:
        try:
            yield from count()
        finally:
            self.is_closed = True


class Loop:
    """Keeps what it was given; all loops share one list."""

    def __init__(self, name: str, done: list[tuple[str, Any]]) -> None:
        self.name, self.done = name, done

    def enter(self) -> None:
        pass

    def step(self, batch: Any) -> float:
        self.done.append((self.name, batch))
        return 0.0

    def release(self) -> None:
        self.done.append((self.name, "released"))


def test_a_loader_is_timed_alone_without_what_it_fetched_ahead(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = benchmark.Rounds(number=3, seconds=0, device=torch.device("cpu"), allows=lambda part, seconds: True)
    loader, done = Loader(), []
    monkeypatch.setattr("train_loops.measure.annotations_of", lambda batch: 1)
    timing = rounds.streamed("stream", Loop("ours", done), loader)
    assert [batch for _, batch in done] == [10, 11, 12, 13, 14]  # 2 to warm up, 3 rounds
    assert len(timing.step_s) == 3
    assert loader.is_closed


def test_a_peak_of_memory_is_measured_without_the_other_optimiser(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, Any]] = []
    monkeypatch.setattr("train_loops.measure.annotations_of", lambda batch: 1)
    for name in ("synchronize", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda device: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: len(done))
    rounds = benchmark.Rounds(number=1, seconds=0, device=torch.device("cuda"), allows=lambda part, seconds: True)
    runs = {name: (Loop(name, done), benchmark.repeated([0])) for name in ("stock", "ours")}
    found = rounds.interleaved(runs)
    assert done[-6:] == [("ours", "released"), *2 * [("stock", 0)], ("stock", "released"), *2 * [("ours", 0)]]
    assert (found["stock"].peak_bytes, found["ours"].peak_bytes) == (len(done) - 3, len(done))


def test_a_loop_frees_gradients_and_moments(benchmark: ModuleType) -> None:
    model = benchmark.built("tiny-t5", torch.device("cpu"), torch.float32)
    for loop in (of(model, torch.device("cpu"), torch.float32) for of in (benchmark.StockLoop, benchmark.OurLoop)):
        loop.step(benchmark.step_batch(benchmark.synthetic(model.config, 2, 1)))
        assert loop.optimizer.state
        loop.release()
        assert not loop.optimizer.state
        assert all(parameter.grad is None for parameter in model.parameters())


def test_the_compiled_batches_have_different_lengths(benchmark: ModuleType) -> None:
    config = benchmark.built("tiny-t5", torch.device("meta"), torch.float32).config
    lengths = {benchmark.synthetic(config, 2, 1, more).input_ids.shape[1] for more in benchmark.MORE_WORDS}
    assert len(lengths) == len(benchmark.MORE_WORDS) == 4
