"""The held-in validation loss of each dataset, over a pinned part of its validation split."""

import math
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from ib_data.console import Progress
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.interrupts import Interrupts
from ib_data.mixtures.loader.loader import StreamLoader
from ib_data.mixtures.stream.pinned_pass import PinnedPass, pinned_pass
from ib_data.mixtures.stream.stream import Stream
from ib_data.stored.store import store_of
from ib_data.training.batch.batch import Batch, StepBatch
from ib_data.training.batch.collator import Collator
from ib_data.training.config.train_config import TrainConfig
from ib_data.training.loop.ranks import Ranks
from ib_data.training.model.parts import autocast, frozen_dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """What a validation gave: the mean loss of the target tokens by dataset; None where it is not finite.

    `examples` is the fingerprint of the examples: means over other ones must not be compared.
    """

    losses: Mapping[str, float | None]
    examples: str

    @property
    def mean(self) -> float | None:
        """The mean over the datasets, each counting the same; None if one of them is not finite."""
        values = [value for value in self.losses.values() if value is not None]
        return sum(values) / len(values) if len(values) == len(self.losses) else None

    def row(self, step: int) -> dict[str, Any]:
        """The line of the log after `step` steps."""
        return {"step": step, "validation": dict(self.losses), "validation_mean": self.mean}

    def points(self) -> dict[str, float | None]:
        """A point for the curve of each dataset and of the mean."""
        return {f"validation/{name}": loss for name, loss in {"mean": self.mean, **self.losses}.items()}

    def state(self) -> dict[str, Any]:
        """The entry of a checkpoint's `state.json`."""
        return {"mean": self.mean, "losses": dict(self.losses), "examples": self.examples}

    def line(self, step: int) -> str:
        """The same for a reader."""
        by_dataset = ", ".join(f"{name} {_text(value)}" for name, value in self.losses.items())
        return f"validation after step {step}: loss {_text(self.mean)} ({by_dataset})"


class Validation:
    """Validates a model on the same examples each time.

    Every process of the run calls `run` at the same time. It changes neither the model nor any random state.
    """

    entry = "validation"

    def __init__(
        self, config: TrainConfig, pinned: PinnedPass, collator: Collator, ranks: Ranks, interrupts: Interrupts
    ) -> None:
        self.config = config
        self.pinned = pinned
        self.collator = collator
        self.ranks = ranks
        self.interrupts = interrupts

    def is_due(self, step: int) -> bool:
        """Whether the model is validated after `step` steps: every `validate_every`, and after the last."""
        return step > 0 and (step % self.config.validate_every == 0 or step == self.config.steps)

    def is_done(self, state: Mapping[str, Any]) -> bool:
        """Whether a checkpoint's state holds the result of this validation."""
        return state.get("examples") == self.pinned.fingerprint

    def run(self, losses: nn.Module) -> Validated:
        """Validate the module that gives the losses of a batch, as in `TargetLosses`.

        A signal raises KeyboardInterrupt: with one process at once, else in all of them before the next batch. Raises
        IbDataError for damaged shards, and if the GPU's memory is too small.
        """
        try:
            with self.ranks.naming_lost_process():
                found = self.by_dataset(losses)
        except torch.OutOfMemoryError as error:
            remedy = "set micro_batch_size lower, and resume"
            raise IbDataError(f"validation: out of GPU memory; {remedy}") from error
        names = self.pinned.names
        means = {name: total / count if count else math.nan for name, (total, count) in zip(names, found, strict=True)}
        finite = {name: value if math.isfinite(value) else None for name, value in means.items()}
        return Validated(losses=finite, examples=self.pinned.fingerprint)

    def by_dataset(self, losses: nn.Module) -> list[tuple[float, float]]:
        """The summed loss and the number of target tokens of each dataset, over all processes."""
        device = self.ranks.device
        dtype = frozen_dtype(self.config.precision, device)
        ends = torch.tensor(self.pinned.ends, device=device)
        table = torch.zeros(2, len(ends), dtype=torch.float64, device=device)
        with evaluating(losses), closing(self._batches()) as batches:
            for batch, weight in batches:
                batch = batch.to(device)
                with autocast(dtype, device):
                    found: Tensor = losses(batch)
                members = torch.bucketize(batch.positions[batch.target_rows], ends, right=True)
                table[0].index_add_(0, members, found.double(), alpha=weight)
                table[1].index_add_(0, members, torch.ones_like(found, dtype=torch.float64), alpha=weight)
        sums = self.ranks.sums(table.flatten().tolist())
        if device.type == "cuda":  # the cached blocks fit no training step
            torch.cuda.empty_cache()
        return list(zip(sums[: len(ends)], sums[len(ends) :], strict=True))

    def _batches(self) -> Generator[tuple[Batch, int], None, None]:
        """The micro-batches of this process, each with weight 1.

        A process that has fewer than another repeats one with weight 0: if the language model is split over the
        processes, each forward pass gathers its layers, and all must make the same number.
        """
        size, world = self.pinned.pass_size, self.ranks.world
        batch_size = min(self.config.batch_size, -(-size // world) * world)
        loader = StreamLoader(
            cast(Stream, self.pinned),  # of a stream, one pass needs only `read_pass`, `pass_size` and `meter`
            batch_size,
            self.collator,
            world=world,
            rank=self.ranks.rank,
            workers=self.config.workers,
            once=True,
        )
        steps = cast(Generator[StepBatch, None, None], iter(loader))
        spare: Batch | None = None
        with Progress("validating", size, "annotation") as bar, loader.translate_worker_errors(), closing(steps):
            for first in range(0, size, batch_size):
                step = next(steps, None)  # none if the slice of this process has no usable sample
                micro = step.micro if step else ()
                for number in range(self._agreed(len(micro))):
                    if number < len(micro):
                        spare = micro[number]
                    elif spare is None:
                        spare = self.collator(self.pinned.read_pass(0, batch_size)).micro[0]
                    yield spare, int(number < len(micro))
                if self.ranks.is_main:
                    bar.add(min(batch_size, size - first))

    def _agreed(self, count: int) -> int:
        """The largest count of all processes; stops all of them if one received a signal."""
        if self.ranks.world == 1:
            return count
        counts = [0.0] * self.ranks.world
        counts[self.ranks.rank] = count
        num_stopped, *counts = self.ranks.sums([float(self.interrupts.signal is not None), *counts])
        if num_stopped:
            raise KeyboardInterrupt
        return int(max(counts))


def open_validation(
    config: TrainConfig,
    home: Home,
    stream: Stream,
    collator: Collator,
    ranks: Ranks,
    interrupts: Interrupts,
    say: Callable[[str], None],
) -> Validation | None:
    """The validation of a run, or None if it has none; says which members are not validated, and why."""
    if not config.validate_every:
        return None
    store = store_of(home, config.shards or None, config.cache_gb * 10**9)
    pinned, missing = pinned_pass(store, home, stream.mixture, config.validation_samples, config.stream)
    reasons = "; ".join(f"{reason}: {', '.join(names)}" for reason, names in missing.items())
    if pinned is None:
        say(f"the run is not validated, since no member can be ({reasons})")
        return None
    if reasons:
        say(f"validated on {', '.join(pinned.names)}; not on others ({reasons})")
    return Validation(config, pinned, collator, ranks, interrupts)


@contextmanager
def evaluating(losses: nn.Module) -> Iterator[None]:
    """A block without dropout and gradients; each module then returns to its mode."""
    modes = {module: module.training for module in losses.modules()}
    losses.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _text(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4f}"
