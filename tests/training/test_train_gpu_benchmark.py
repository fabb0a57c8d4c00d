"""The benchmark of training runs on a CPU at tiny shapes, and measures two loops that compute the same."""

import importlib
import json
from pathlib import Path
from types import ModuleType

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
    benchmark: ModuleType, picture_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.json"
    benchmark.main([*FAST, "--home", str(picture_home.root), "--out", str(out), "--json"])
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
        # One image in place of five, and the vocabulary at the targets alone.
        flops = {name: row["gflop_per_sample"] for name, row in model["synthetic"].items()}
        assert flops[FIVE] < flops[ONE] < flops["stock"]
        for check in model["checked"].values():
            assert check["ours"] == pytest.approx(check["stock"], rel=1e-4)
            assert check["gradient_apart"] < 1e-3
    text = benchmark.tables(found)
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
