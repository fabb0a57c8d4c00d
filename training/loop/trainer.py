"""The training loop: step t of a run consumes the positions [t * batch_size, (t + 1) * batch_size) of the stream.

Every process takes its share of a step; rank 0 alone writes files and prints.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.interrupts import Interrupts
from ib_data.mixtures.loader.loader import StreamLoader
from ib_data.mixtures.loader.ranks import world_and_rank
from ib_data.mixtures.loader.torch_defaults import float32_on_cpu
from ib_data.mixtures.stream.stream import Stream
from ib_data.training.batch.batch import StepBatch
from ib_data.training.config.train_config import TrainConfig
from ib_data.training.features.cached import features_through
from ib_data.training.loop import checkpoint as checkpoints
from ib_data.training.loop.checks import Check, pending
from ib_data.training.loop.data import training_stream
from ib_data.training.loop.keeping import prune
from ib_data.training.loop.losses import losses_of
from ib_data.training.loop.optimizer import learning_rate_at
from ib_data.training.loop.ranks import Ranks, joined_ranks
from ib_data.training.loop.record import newest
from ib_data.training.loop.run import Run, collator_of, fresh_run, resumed_run
from ib_data.training.loop.run_folder import locked_folder, saved_steps
from ib_data.training.loop.scoring import open_scoring
from ib_data.training.loop.step import StepResult, step_gradients
from ib_data.training.loop.step_log import StepLog
from ib_data.training.loop.train_log import TrainLog
from ib_data.training.loop.validation import open_validation
from ib_data.training.model.parts import frozen_dtype
from ib_data.training.weights.hub import find_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finished run: losses of the first and last step, the last checkpoint, and the number of steps of this call."""

    first_loss: float
    last_loss: float
    checkpoint: Path
    num_new_steps: int


def train(config: TrainConfig, home: Home, out: Path, say: Callable[[str], None] = print) -> Outcome:
    """Train on the mixture of `config` from the splits built in `home`, into the run folder `out`.

    The same call resumes from the newest checkpoint in `out`. Under torchrun, every process makes this call. Raises
    IbDataError if that checkpoint is damaged or from another configuration, other data or another start, DataError for
    members without images, and Interrupted, which says what is saved, after Ctrl-C or SIGTERM.
    """
    _require_divisible(config)
    with _stopping(out) as interrupts, joined_ranks(config.device) as ranks:
        stream = training_stream(config, home)
        return _train(config, home, stream, out, say if ranks.is_main else _silent, interrupts, ranks)


def _train(
    config: TrainConfig,
    home: Home,
    stream: Stream,
    out: Path,
    say: Callable[[str], None],
    interrupts: Interrupts,
    ranks: Ranks,
) -> Outcome:
    device = ranks.device
    if config.cpu_threads:
        torch.set_num_threads(config.cpu_threads)
    with (
        locked_folder(out, ranks),
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        float32_on_cpu(),
    ):
        start = find_folder(config.model, home) if ranks.is_main else None
        ranks.wait()  # the main process assembles or downloads the folder; the others then find it
        start = start or find_folder(config.model, home)
        run = resumed_run(config, home, start, stream, out, ranks, say) or fresh_run(config, home, start, ranks)
        # All have read the newest checkpoint before another is written, and it was the same one.
        ranks.require_same(run.step, "checkpoint", f"give all of them the same folder {out}")
        opened = (
            open_validation(config, home, stream, collator_of(config, run.loaded), ranks, interrupts, say),
            open_scoring(config, home, stream, run.loaded, ranks, interrupts, say),
        )
        with TrainLog(out / checkpoints.LOG, run.log, is_main=ranks.is_main) as log:
            _Steps(config, stream, run, out, ranks, say, log, interrupts, opened).run_all()
            losses = log.losses()
        ranks.wait()
    folder = newest(out)
    assert folder is not None
    assert len(losses) == config.steps
    num_new = config.steps - run.step
    return Outcome(first_loss=losses[0], last_loss=losses[-1], checkpoint=folder, num_new_steps=num_new)


class _Steps:
    """The remaining steps of a run: `done` steps are in the model, `saved` of them on disk.

    While `is_torn`, the model or its log is between two steps and must not be saved; while `is_stepping`, only a second
    signal interrupts, which must not wait for saving.
    """

    def __init__(
        self,
        config: TrainConfig,
        stream: Stream,
        run: Run,
        out: Path,
        ranks: Ranks,
        say: Callable[[str], None],
        log: TrainLog,
        interrupts: Interrupts,
        checks: Sequence[Check | None],
    ) -> None:
        self.config = config
        self.stream = stream
        self.run = run
        self.out = out
        self.ranks = ranks
        self.log = log
        self.report = StepLog(config, stream, run, out, ranks, say, log, run.cache.counts if run.cache else None)
        self.say = say
        self.interrupts = interrupts
        features = features_through(run.cache, run.model) if run.cache else None
        self.checks = [check for check in checks if check is not None]
        self.results = dict(run.checks)  # of the checks after `done` steps
        self.losses = losses_of(run.model, ranks, features)
        self.done = self.saved = run.step
        self.is_torn = self.is_stepping = self.is_checking = False

    def run_all(self) -> None:
        """Make all steps and save them; if the run is stopped, save the steps that are done."""
        # A signal or another setting left it out when this step was saved.
        left = pending(self.checks, self.done, self.results)
        if self.done == self.config.steps and not left:
            return
        self.losses.train()
        config, ranks = self.config, self.ranks
        loader = StreamLoader(
            self.stream,
            config.batch_size,
            collator_of(config, self.run.loaded),
            world=ranks.world,
            rank=ranks.rank,
            start=self.done * config.batch_size,
            workers=config.workers,
        )
        try:
            with self.report, loader.translate_worker_errors(), self._one_decision():
                self._check(left)
                self._each(loader)
        except KeyboardInterrupt:
            if self.saved < config.steps or self.is_checking:  # a second signal also interrupts saving the last step
                if not self.is_stepping:
                    self._keep()
                raise
        except IbDataError as error:
            if self.is_torn:
                raise
            self._keep()
            raise IbDataError(f"{error}; {saved_steps(self.out)}") from error

    def _each(self, loader: StreamLoader[StepBatch]) -> None:
        batches = iter(loader)
        while self.done < self.config.steps:
            self.report.begin()
            batch = next(batches)
            num_targets = self._agreed(batch)
            with self._uninterrupted(f"finishing step {self.done + 1}, then saving"):
                self.is_stepping = True
                with self._naming_full_gpu(batch):
                    result = self._gradients(batch, num_targets)
                    self.is_torn = True  # from here on the weights change
                    self.run.optimizer.step()  # the first one makes the moments
                self.report.end(self.done, batch, result, loader.meter.take())
                self.done += 1
                self.is_torn = self.is_stepping = False
                self.results = {}
                due = pending(self.checks, self.done, {})
                self.is_checking = bool(due)
                if due or self.done % self.config.save_every == 0 or self.done == self.config.steps:
                    self._save()  # before a check, which may take long: it saves once more, with its result
            self._check(due)

    def _agreed(self, batch: StepBatch) -> int:
        """The number of target tokens of all processes; stops all of them at this step if one received a signal."""
        num_targets, num_stopped = self.ranks.sums([batch.num_targets, self.interrupts.signal is not None])
        if num_stopped and self.ranks.world > 1:
            raise KeyboardInterrupt
        return int(num_targets)

    def _gradients(self, batch: StepBatch, num_targets: int) -> StepResult:
        config, step = self.config, self.done
        with self.ranks.naming_lost_process():
            result = step_gradients(
                self.losses,
                self.run.optimizer,
                batch,
                self.ranks,
                num_targets=num_targets,
                learning_rate=learning_rate_at(step, config),
                dtype=frozen_dtype(config.precision, self.ranks.device),
                seed=config.seed,
                step=step,
            )
        if result.fault:
            first = step * config.batch_size
            place = f"step {step} (positions {first} to {first + config.batch_size - 1}): {result.fault}"
            remedy = "try a lower learning_rate or more warmup_steps, with another --out"
            raise IbDataError(f"{place}; {remedy}")
        return result

    @contextmanager
    def _naming_full_gpu(self, batch: StepBatch) -> Iterator[None]:
        """In the block, a GPU without memory is an IbDataError that says what to set."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise IbDataError(f"step {self.done}: out of GPU memory; {_smaller(batch)}, and resume") from error

    def _one_decision(self) -> AbstractContextManager[None]:
        """With several processes, a signal waits until all of them are before the same step: see `_agreed`."""
        if self.ranks.world == 1:
            return nullcontext()
        return self.interrupts.step("finishing the step in all processes, then saving")

    def _uninterrupted(self, wish: str) -> AbstractContextManager[None]:
        return self.interrupts.step(wish) if self.ranks.world == 1 else nullcontext()

    def _keep(self) -> None:
        """Save the finished steps that no checkpoint has."""
        if self.is_torn or self.done == self.saved:
            return
        with self.interrupts.step("saving what is done"):
            self._save()

    def _check(self, checks: Sequence[Check]) -> None:
        """Make checks, each saved with the finished steps. One that a signal stops is repeated on resuming."""
        for number, check in enumerate(checks, 1):
            self.is_checking = True  # also for one that a stopped run has left
            found = check.run(self.losses)
            with self._uninterrupted(f"saving the {check.entry}"):
                self.is_torn = True
                self.report.add_check(found, self.done)
                self.results[check.entry] = found.state()
                self._save()
                self.is_checking = number < len(checks)

    def _save(self) -> None:
        run, position = self.run, self.done * self.config.batch_size
        self.is_torn = True  # if saving fails, it is not tried again
        self.report.add_epochs(self.done)
        if self.ranks.is_main:
            state = checkpoints.state_of(position, self.stream.state(position), self.config, run.start, run.fingerprint)
            state |= {entry: self.results.get(entry, {}) for entry in checkpoints.CHECKS}
            snapshot = checkpoints.Snapshot(
                step=self.done, model=run.model, optimizer=run.optimizer, state=state, log=self.log.text()
            )
            checkpoints.save(self.out, snapshot)
            prune(self.out, self.config.keep, self.say)
        self.saved, self.is_torn = self.done, False


@contextmanager
def _stopping(out: Path) -> Iterator[Interrupts]:
    """A block around a run that reports, after Ctrl-C or SIGTERM, what is saved."""
    with Interrupts() as interrupts:
        try:
            yield interrupts
        except KeyboardInterrupt as error:
            if interrupts.signal is None:  # not interrupted by a signal that this run handles
                raise
            raise interrupts.stopped(f"; {saved_steps(out)}") from error


def _smaller(batch: StepBatch) -> str:
    """What to set so that a step takes less memory."""
    size = max(len(micro.positions.unique()) for micro in batch.micro)  # type: ignore[no-untyped-call]
    if size > 1:
        return f"set micro_batch_size below {size}"
    return "set max_target_tokens, max_instruction_tokens or annotations_per_image lower, or shard_language_model=true"


def _require_divisible(config: TrainConfig) -> None:
    size, (world, _) = config.batch_size, world_and_rank()
    if size % world:
        nearest = max(world, round(size / world) * world)
        problem = f"batch_size={size} cannot be shared by {world} processes"
        raise IbDataError(f"{problem}; set batch_size={nearest}, or start another number of processes")


def _silent(_line: str) -> None:
    """Says nothing: for all processes but the main one."""
