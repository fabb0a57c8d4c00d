"""The training loop: step t of a run consumes the positions [t * batch_size, (t + 1) * batch_size) of the stream."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from ib_data.console import Progress
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.interrupts import Interrupts
from ib_data.keyed import keyed_bits
from ib_data.mixtures.loader.loader import StreamLoader
from ib_data.mixtures.loader.ranks import world_and_rank
from ib_data.mixtures.loader.torch_defaults import float32_on_cpu
from ib_data.mixtures.stream.stream import Stream, open_stream
from ib_data.stream_options import StreamOptions
from ib_data.training import checkpoint as checkpoints
from ib_data.training.collator import Batch
from ib_data.training.config.train_config import TrainConfig
from ib_data.training.log import TrainLog
from ib_data.training.media_kinds import require_images
from ib_data.training.record import newest
from ib_data.training.run import Run, collator_of, find_device, fresh_run, resumed_run
from ib_data.training.step import autocast, batch_loss, learning_rate_at, non_finite

# Logged per step besides loss, rate and speed; see Meter.
LOGGED = ("wait_s", "read_s", "decode_s", "render_s", "num_bad", "num_fetched", "num_cache_hits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finished run: losses of the first and last step, the last checkpoint, and the number of steps of this call."""

    first_loss: float
    last_loss: float
    checkpoint: Path
    num_new_steps: int


def train(config: TrainConfig, home: Home, out: Path, say: Callable[[str], None] = print) -> Outcome:
    """Train on the mixture of `config` from the splits built in `home`, into the run folder `out`.

    The same call resumes from the newest checkpoint in `out`. Raises IbDataError if that checkpoint is damaged or from
    another configuration or other data, DataError for members without images, and Interrupted, which says what is
    saved, after Ctrl-C or SIGTERM.
    """
    with _stopping(out) as interrupts:
        stream = open_stream(
            home,
            config.mixture,
            seed=config.seed,
            available=config.available,
            strict=config.strict,
            options=_stream_options(config),
            shards=config.shards or None,
            cache_bytes=config.cache_gb * 10**9,
        )
        require_images(stream)
        return _train(config, stream, out, say, interrupts)


def _train(
    config: TrainConfig, stream: Stream, out: Path, say: Callable[[str], None], interrupts: Interrupts
) -> Outcome:
    num_processes, _ = world_and_rank()
    if num_processes > 1:  # each would train a separate model
        problem = f"training runs in one process, found {num_processes} (torchrun, or WORLD_SIZE in the environment)"
        raise IbDataError(f"{problem}; start it without torchrun")
    device = find_device(config.device)
    if config.cpu_threads:
        torch.set_num_threads(config.cpu_threads)
    out.mkdir(parents=True, exist_ok=True)
    try:
        with (
            FileLock(out / ".lock", timeout=0),
            torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
            float32_on_cpu(),
        ):
            run = resumed_run(config, stream, out, device, say) or fresh_run(config, stream, device)
            with TrainLog(out / checkpoints.LOG, run.log) as log:
                steps = _Steps(config, stream, run, out, device, say, log, interrupts)
                steps.run_all()
                losses = log.losses()
    except Timeout:
        raise IbDataError(f"{out}: another run is writing there; wait for it, or name another --out") from None
    folder = newest(out)
    assert folder is not None
    assert len(losses) == config.steps
    num_new = config.steps - run.step
    return Outcome(first_loss=losses[0], last_loss=losses[-1], checkpoint=folder, num_new_steps=num_new)


@contextmanager
def _stopping(out: Path) -> Iterator[Interrupts]:
    """A block around a run that reports, after Ctrl-C or SIGTERM, what is saved."""
    with Interrupts() as interrupts:
        try:
            yield interrupts
        except KeyboardInterrupt as error:
            if interrupts.signal is None:  # not interrupted by a signal that this run handles
                raise
            raise interrupts.stopped(f"; {_saved(out)}") from error


def _saved(out: Path) -> str:
    """Which steps of a run are saved, in words."""
    folder = newest(out)
    if folder is None:
        return f"no step is saved in {out}"
    return f"saved up to step {int(folder.name[5:])} in {folder}; the same command continues from there"


def _stream_options(config: TrainConfig) -> StreamOptions:
    """The options of a run's stream. Raises IbDataError for a missing folder of templates."""
    folder = config.stream.templates
    if folder is not None and not Path(folder).is_dir():
        raise IbDataError(f"templates={folder}: expected a folder of TASK.toml files, found none there")
    return config.stream


class _Steps:
    """The remaining steps of a run: `done` steps are in the model, `saved` of them on disk.

    While `is_torn`, the model or its log is between two steps and must not be saved.
    """

    def __init__(
        self,
        config: TrainConfig,
        stream: Stream,
        run: Run,
        out: Path,
        device: torch.device,
        say: Callable[[str], None],
        log: TrainLog,
        interrupts: Interrupts,
    ) -> None:
        self.config = config
        self.stream = stream
        self.run = run
        self.out = out
        self.device = device
        self.say = say
        self.log = log
        self.interrupts = interrupts
        self.done = self.saved = run.step
        self.is_torn = False

    def run_all(self) -> None:
        """Make all steps and save them; if the run is stopped, save the steps that are done."""
        if self.done == self.config.steps:
            return
        self.run.model.train()
        config = self.config
        collate = collator_of(config, self.run.tokens)
        start = self.done * config.batch_size
        loader = StreamLoader(
            self.stream, config.batch_size, collate, world=1, rank=0, start=start, workers=config.workers
        )
        bar = Progress("training", config.steps, "step", done=self.done)
        try:
            with bar, loader.translate_worker_errors():
                self._each(loader, bar)
        except KeyboardInterrupt:
            if self.saved < config.steps:  # a second signal also interrupts saving the last step
                self._keep()
                raise
        except IbDataError as error:
            if self.is_torn or not self._keep():
                raise
            raise IbDataError(f"{error}; {_saved(self.out)}") from error

    def _each(self, loader: StreamLoader[Batch], bar: Progress) -> None:
        before = time.perf_counter()
        batches = iter(loader)
        while self.done < self.config.steps:
            batch = next(batches)
            with self.interrupts.step(f"step {self.done + 1} is finished, then saved"):
                self.is_torn = True
                rate = learning_rate_at(self.done, self.config)
                loss = self._step(batch, rate)
                after = time.perf_counter()
                speed = self.config.batch_size / (after - before)
                row = {"step": self.done, "loss": loss, "learning_rate": rate, "samples_per_s": speed}
                row |= {name: value for name, value in loader.meter.take().values().items() if name in LOGGED}
                before = after
                self.log.add(row)
                self._show(row, bar)
                self.done += 1
                self.is_torn = False
                if self.done % self.config.save_every == 0 or self.done == self.config.steps:
                    self._save()

    def _show(self, row: dict[str, Any], bar: Progress) -> None:
        steps = self.config.steps
        bar.add(state=f"loss {row['loss']:.4f}")
        if not (bar.is_bar or bar.is_silent) and (self.done % max(1, steps // 20) == 0 or self.done + 1 == steps):
            line = f"step {self.done}  loss {row['loss']:.4f}  lr {row['learning_rate']:.2e}"
            self.say(f"{line}  {row['samples_per_s']:,.0f} samples/s")

    def _step(self, batch: Batch, rate: float) -> float:
        run, step = self.run, self.done
        # A seed per step, not a running generator: dropout is a function of (seed, step), and resuming needs no state.
        torch.manual_seed(keyed_bits(self.config.seed, "training.dropout", step) % 2**63)
        for parameters in run.optimizer.param_groups:
            parameters["lr"] = rate
        batch = batch.to(self.device)
        with autocast(self.device):
            loss = batch_loss(run.model, batch)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if fault := non_finite(run.model, loss):  # before it reaches the weights
            size = self.config.batch_size
            place = f"step {step} (positions {step * size} to {(step + 1) * size - 1}): {fault}"
            remedy = "try a lower learning_rate or more warmup_steps, with another --out"
            raise IbDataError(f"{place}; {remedy}; {_saved(self.out)}")
        run.optimizer.step()
        return loss.item()

    def _keep(self) -> bool:
        """Save the finished steps that no checkpoint has; False if there is nothing to save."""
        if self.is_torn or self.done == self.saved:
            return False
        with self.interrupts.step("what is done is saved"):
            self._save()
        return True

    def _save(self) -> None:
        run, position = self.run, self.done * self.config.batch_size
        self.is_torn = True  # if saving fails, it is not tried again
        state = checkpoints.state_of(position, self.stream.state(position), self.config, run.shape, run.fingerprint)
        snapshot = checkpoints.Snapshot(
            step=self.done,
            model=run.model,
            optimizer=run.optimizer,
            tokens=run.tokens,
            language=run.language,
            state=state,
            log=self.log.text(),
        )
        checkpoints.save(self.out, snapshot)
        self.saved, self.is_torn = self.done, False
