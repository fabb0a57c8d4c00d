"""Samples per second of training, the stock wrapper against ours: python benchmarks/train_gpu.py [--shapes small]

For each model in one process, over the same annotations and the same random weights: `stock` is transformers'
`InstructBlipForConditionalGeneration` as its users train it (one image an annotation, its own forward, its loss);
`ours` is the trainer's own step, with 1 and with 5 annotations an image, so that an image is encoded once. Both do
forward, backward and AdamW; that their losses agree is checked first. Not all else is equal: stock uses AdamW as users
create it (foreach, decay everywhere), ours fused on CUDA and without decay on biases and norms.

Synthetic tensors, with interleaved rounds; then the stream from shards (`--home` and `--mixture`; the miniature without
them), where each loop has a new loader and its rounds in a row; last, on CUDA, ours as `compile = true` runs it, with
batches of four lengths in turn. Each peak memory is without the other loop's optimiser. TFLOP/s are counted operations
by time; the ceiling is the fastest square matrix product measured here. On a CPU all times are processor time of one
thread, so that other load does not count; the share of waiting is of the wall clock.

Real shapes (ViT-g/14, Q-Former, FlanT5-XL; Vicuna-7B) need a card with 40 GB or more and take up to `--seconds`, less
than 8 minutes; what did not fit in them is named. `--shapes small` runs on a CPU in minutes, `tiny` in seconds.
"""

import argparse
import gc
import json
import os
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from hardware import RESULTS, machine
from train_loops.data import home_of, streamed, synthetic
from train_loops.loops import OurLoop, StockLoop, compared, counted_flops, step_batch
from train_loops.measure import Budget, Rounds, Timing, matrix_ceiling, release_others, repeated
from train_loops.shapes import SHAPES, built

from ib_data.console import table
from ib_data.errors import IbDataError, one_line
from ib_data.training.loop.ranks import find_device
from ib_data.training.model.compiled import compile_parts
from ib_data.training.model.parts import frozen_dtype

NAME = "train_gpu"
# How far the two losses of a batch may be apart, in parts of them: rounding, not another computation.
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2e-2}
# Words by which the instructions of the compiled batches are longer: texts of one length would hide recompilation.
MORE_WORDS = (0, 8, 16, 24)
# Seconds that compiling and timing a real model are taken to need. A compiler cannot be interrupted.
COMPILING_S = 150

# The columns of the tables, and their keys.
COLUMNS = {
    "samples/s": "samples_per_s",
    "x stock": "times_stock",
    "step ms": "step_ms",
    "annotations": "annotations_per_step",
    "GFLOP/sample": "gflop_per_sample",
    "TFLOP/s": "tflops",
    "of ceiling": "share_of_ceiling",
    "waiting": "waiting_share",
    "GiB": "peak_memory_gib",
}


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", choices=SHAPES, help="real on CUDA, small on a CPU")
    parser.add_argument("--models", nargs="+", choices=[name for names in SHAPES.values() for name in names])
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--batch", type=int, default=0, help="annotations of a step; 64 on CUDA, 16 on a CPU")
    parser.add_argument("--per-image", nargs="+", type=int, default=[1, 5], help="annotations an image, for ours")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--round-seconds", type=float, default=4.0, help="about how long a loop runs in each round")
    parser.add_argument("--seconds", type=float, default=420.0, help="what does not fit in these is left out")
    parser.add_argument("--compile", action="store_true", help="time compiled parts on a CPU too")
    parser.add_argument("--home", type=Path, help="with built shards; the miniature without it")
    parser.add_argument("--mixture", default="demo")
    parser.add_argument("--workers", type=int, default=-1, help="loading processes; 8 on CUDA, 1 on a CPU")
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    parser.add_argument("--out", type=Path, help="write the JSON there")
    parser.add_argument("--write", action="store_true", help=f"write it to results/{NAME}.json")
    return parser.parse_args(given)


class Bench:
    """One run of the benchmark on one device."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.device = find_device(args.device)
        is_cuda = self.device.type == "cuda"
        self.dtype = frozen_dtype("auto", self.device)
        self.batch = args.batch or (64 if is_cuda else 16)
        self.workers = args.workers if args.workers >= 0 else (8 if is_cuda else 1)
        self.compiles = is_cuda or args.compile
        if not is_cuda:
            torch.set_num_threads(1)
        self.names = args.models or SHAPES[args.shapes or ("real" if is_cuda else "small")]
        self.budget = Budget(time.monotonic() + args.seconds)
        self.rounds = Rounds(
            number=args.rounds, seconds=args.round_seconds, device=self.device, allows=self.budget.allows
        )
        self.home: Any = None

    def run(self) -> dict[str, Any]:
        """All models. Raises IbDataError if the loops' losses differ."""
        load = os.getloadavg()[0]
        ceiling = matrix_ceiling(self.device, self.dtype)
        models: dict[str, Any] = {}
        with ExitStack() as stack:
            began, end = time.monotonic(), self.budget.deadline
            for number, name in enumerate(self.names):
                # An equal share of the time each; what a model leaves over goes to the next ones.
                self.budget.deadline = time.monotonic() + (end - time.monotonic()) / (len(self.names) - number)
                if self.budget.allows(name, 0):
                    models[name] = self._fitting(name, ceiling, stack)
            for name, found in models.items() if self.compiles else ():
                if self.budget.allows(f"{name}: compiled", COMPILING_S if self.device.type == "cuda" else 0):
                    found["compiled"] = self._compiled(name, found["batch"])
            elapsed = time.monotonic() - began
        card = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else None
        return {
            "machine": {**machine(), "card": card, "torch": torch.__version__},
            "settings": {
                "batch": self.batch,
                "frozen_dtype": str(self.dtype).removeprefix("torch."),
                "threads": torch.get_num_threads(),
                "workers": self.workers,
                "mixture": self.args.mixture,
                "data": "the miniature" if self.args.home is None else "a home",
                "load_average_before": round(load, 2),
                "elapsed_s": round(elapsed, 1),
            },
            "ceiling_tflops": _tera(ceiling),
            "models": models,
            "skipped": self.budget.skipped,
        }

    def _fitting(self, name: str, ceiling: float, stack: ExitStack) -> dict[str, Any]:
        """One model, with half the batch as often as the memory asks for it."""
        batch = self.batch
        while True:
            self._free()
            try:
                return self._model(name, batch, ceiling, stack)
            except torch.OutOfMemoryError:
                if batch < 2:
                    raise
                batch //= 2
                print(f"{name}: out of memory, trying a batch of {batch}", file=sys.stderr)

    def _free(self) -> None:
        gc.collect()  # a frozen model is part of a cycle, so the last one may still be there
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _model(self, name: str, batch: int, ceiling: float, stack: ExitStack) -> dict[str, Any]:
        model = built(name, self.device, self.dtype)
        stock, ours = StockLoop(model, self.device, self.dtype), OurLoop(model, self.device, self.dtype)
        made = {k: synthetic(model.config, batch, k).to(self.device) for k in self.args.per_image}
        checks = {label(k): self._checked(name, stock, ours, made[k]) for k in made}
        steps = {k: step_batch(data) for k, data in made.items()}
        first = steps[self.args.per_image[0]]
        runs: dict[str, Any] = {"stock": (stock, repeated([first]))}
        flops = {"stock": counted_flops(stock, first)}
        for k, step in steps.items():
            runs[label(k)] = (ours, repeated([step]))
            flops[label(k)] = counted_flops(ours, step)
        timings = self.rounds.interleaved(runs)
        result = {"batch": batch, "checked": checks, "synthetic": _figures(timings, flops, batch, ceiling)}
        if streams := self._streams(name, model.config, stock, ours, batch, stack):
            result["stream"] = streams
        return result

    def _checked(self, name: str, stock: StockLoop, ours: OurLoop, batch: Any) -> dict[str, float]:
        found = compared(stock, ours, batch)
        tolerance = TOLERANCE[self.dtype]
        apart = abs(found["stock"] - found["ours"]) / found["stock"]
        # Gradients add up the rounding of many layers: asserted in float32 only.
        gradient = found["gradient_apart"] if self.dtype == torch.float32 else 0.0
        if not (apart <= tolerance and gradient <= 10 * tolerance):
            raise IbDataError(f"{name}: the two loops do not compute the same: {found}; the times would mean nothing")
        return found

    def _streams(
        self, name: str, config: Any, stock: StockLoop, ours: OurLoop, batch: int, stack: ExitStack
    ) -> dict[str, Any]:
        if self.home is None:
            self.home = stack.enter_context(home_of(self.args.home))
        found = {}
        runs: list[tuple[str, StockLoop | OurLoop, int]] = [("stock", stock, 1)]
        runs += [(label(k), ours, k) for k in self.args.per_image]
        for run, loop, k in runs:
            part = f"{name}: stream, {run}"
            if self.budget.allows(part, 2 * self.args.round_seconds):
                release_others(loop, (stock, ours))
                loader = streamed(self.home, self.args.mixture, config, batch, k, self.workers)
                found[run] = self.rounds.streamed(part, loop, loader).values()
        return found

    def _compiled(self, name: str, batch: int) -> dict[str, Any]:
        """Ours eager, then as `compile = true` runs it, on a new model, which stays compiled and is dropped."""
        self._free()
        began = time.monotonic()
        model = built(name, self.device, self.dtype)
        loop, k = OurLoop(model, self.device, self.dtype), self.args.per_image[0]
        steps = [step_batch(synthetic(model.config, batch, k, more).to(self.device)) for more in MORE_WORDS]
        try:
            eager = self.rounds.in_a_row(f"{name}: eager", loop, repeated(steps), len(steps)).values()
            compile_parts(model)
            compiled = self.rounds.in_a_row(f"{name}: compiled", loop, repeated(steps), len(steps)).values()
        except Exception as error:  # whatever a compiler raises: it must not cost the other figures
            return {"failed": one_line(f"{type(error).__name__}: {error}", 300)}
        finally:
            torch._dynamo.reset()
        faster = compiled["samples_per_s"] / eager["samples_per_s"]
        elapsed = round(time.monotonic() - began, 1)
        return {**compiled, "eager": eager, "times_eager": round(faster, 3), "elapsed_s": elapsed}


def label(annotations_per_image: int) -> str:
    return f"ours, {annotations_per_image} an image"


def _figures(timings: dict[str, Timing], flops: dict[str, int], batch: int, ceiling: float) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    stock = timings["stock"].step_s
    for name, timing in timings.items():
        rate = flops[name] / statistics.median(timing.step_s)
        figures[name] = {
            **timing.values(),
            "gflop_per_sample": round(flops[name] / batch / 1e9, 6),
            "tflops": _tera(rate),
            "share_of_ceiling": round(rate / ceiling, 3),
            "times_stock": round(statistics.median(a / b for a, b in zip(stock, timing.step_s, strict=False)), 3),
        }
    return figures


def _tera(flops: float) -> float:
    return round(flops / 1e12, 4)


def tables(found: dict[str, Any]) -> str:
    """The figures as text."""
    of = found["machine"]
    lines = [f"{of['card'] or of['processor']}; matrix ceiling {found['ceiling_tflops']} TFLOP/s"]
    columns = ["loop", *COLUMNS]
    for name, model in found["models"].items():
        apart = max(abs(check["stock"] - check["ours"]) for check in model["checked"].values())
        lines.append(f"\n{name}, batch {model['batch']}; the losses differ by at most {apart:.1g}")
        parts = [
            (f"{part}: {loop}", row) for part in ("synthetic", "stream") for loop, row in model.get(part, {}).items()
        ]
        if "failed" in model.get("compiled", {}):
            lines.append(f"compiling failed: {model['compiled']['failed']}")
        elif "compiled" in model:
            parts += [
                ("four lengths: eager", model["compiled"]["eager"]),
                ("four lengths: compiled", model["compiled"]),
            ]
            factor = model["compiled"]["times_eager"]
            lines.append(
                f"compiled parts: {factor} times as fast: torch.compile {'pays' if factor > 1.02 else 'does not pay'}"
            )
        rows = [[loop, *(row.get(key) for key in COLUMNS.values())] for loop, row in parts]
        lines.append(table(columns, rows))
    lines += [f"skipped, no time left: {part}" for part in found["skipped"]]
    return "\n".join(lines)


def main(given: list[str] | None = None) -> None:
    """Run, print, and keep what is asked for."""
    args = arguments(given)
    found = Bench(args).run()
    text = json.dumps(found, indent=1)
    for path in (args.out, RESULTS / f"{NAME}.json" if args.write else None):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
    print(text if args.json else tables(found))


if __name__ == "__main__":
    main()
