"""The training loop: step t of a run consumes the positions [t * batch_size, (t + 1) * batch_size) of the stream."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor
from tqdm import tqdm

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.keyed import keyed_bits
from ib_data.mixtures.images import ImageOptions
from ib_data.mixtures.loader import StreamLoader
from ib_data.mixtures.options import StreamOptions
from ib_data.mixtures.order import Locality
from ib_data.mixtures.stream import Stream, open_stream
from ib_data.training import checkpoint as checkpoints
from ib_data.training.collator import Batch, Collator
from ib_data.training.config import TrainConfig
from ib_data.training.language import read_texts
from ib_data.training.model import TinyShape, freeze, frozen_fingerprint, tiny_model, to_device, trained_parameters
from ib_data.training.step import adamw, autocast, batch_loss, learning_rate_at
from ib_data.training.tokens import PAD, Tokens, build_tokens

VOCABULARY_EXAMPLES = 2048
LOG = "log.jsonl"
# What stands in the log of a step beside loss, rate and speed; see Meter.
LOGGED = ("wait_s", "read_s", "decode_s", "render_s", "num_bad", "num_fetched", "num_cache_hits")
# What a resumed run may say differently: none decides a loss (a device only its last bits).
_FREE = ("save_every", "device", "workers", "shards", "cache_gb", "max_bad_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finished run: losses of its first and last step, the last checkpoint, and how many steps this call made."""

    first_loss: float
    last_loss: float
    checkpoint: Path
    num_new_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    model: Any
    tokens: Tokens
    optimizer: torch.optim.AdamW
    language: dict[str, Tensor]
    shape: TinyShape
    fingerprint: str
    step: int


def train(config: TrainConfig, home: Home, out: Path, say: Callable[[str], None] = print) -> Outcome:
    """Train on the mixture of `config` from what is built under `home`, into the run folder `out`.

    The same call goes on from the newest whole checkpoint in `out`. Raises IbDataError where that checkpoint was
    written by another configuration or over other data, DataError for samples built without pictures.
    """
    stream = open_stream(
        home,
        config.mixture,
        seed=config.seed,
        available=config.available,
        strict=config.strict,
        options=stream_options(config),
        shards=config.shards or None,
        cache_bytes=config.cache_gb * 10**9,
    )
    return train_on(config, stream, out, say)


def train_on(config: TrainConfig, stream: Stream, out: Path, say: Callable[[str], None] = print) -> Outcome:
    """As `train`, over any stream of examples."""
    device = find_device(config.device)
    if config.cpu_threads:
        torch.set_num_threads(config.cpu_threads)
    out.mkdir(parents=True, exist_ok=True)
    try:
        with (
            FileLock(out / ".lock", timeout=0),
            torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        ):
            run = _resumed(config, stream, out, device) or _fresh(config, stream, device)
            _steps(config, stream, run, out, device, say)
            losses = _logged_losses(out)
    except Timeout:
        raise IbDataError(f"{out}: another run is writing there; wait for it, or name another --out") from None
    folder = checkpoints.newest(out)
    assert folder is not None
    if len(losses) != config.steps:
        remedy = "the checkpoints are whole; name another --out to train with a whole log"
        raise IbDataError(f"{out / LOG}: expected {config.steps} lines, found {len(losses)}; {remedy}")
    return Outcome(first_loss=losses[0], last_loss=losses[-1], checkpoint=folder, num_new_steps=config.steps - run.step)


def find_device(name: str) -> torch.device:
    """The device of a name; `auto` takes CUDA where there is one. IbDataError for CUDA where there is none."""
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise IbDataError("device=cuda: torch finds no CUDA device here; use device=auto")
    return torch.device("cuda" if has_cuda and name != "cpu" else "cpu")


def stream_options(config: TrainConfig) -> StreamOptions:
    """What a configuration says about the stream."""
    return StreamOptions(
        annotations_per_image=config.annotations_per_image,
        locality=Locality() if config.local_order else None,
        images=ImageOptions(image_px=config.image_px, decode=config.decode, augment=config.augment),
        templates=Path(config.templates) if config.templates else None,
        max_bad_share=config.max_bad_share,
    )


def collator_of(config: TrainConfig, tokens: Tokens) -> Collator:
    """The collator that fits a configuration."""
    return Collator(
        tokens=tokens,
        num_query_tokens=config.num_query_tokens,
        max_instruction_tokens=config.max_instruction_tokens,
        max_target_tokens=config.max_target_tokens,
    )


def _fresh(config: TrainConfig, stream: Stream, device: torch.device) -> _Run:
    count = min(config.steps * config.batch_size, VOCABULARY_EXAMPLES)
    read = [example.rendered for example in stream.examples(0, count, with_pixels=False)]
    tokens = build_tokens(text for rendered in read for text, _ in rendered.segments)
    shape = TinyShape(
        seed=config.seed,
        image_px=config.image_px,
        num_query_tokens=config.num_query_tokens,
        language_words=tokens.language.get_vocab_size(),
        qformer_words=tokens.qformer.get_vocab_size(),
        max_qformer_tokens=config.max_instruction_tokens,
    )
    model = tiny_model(shape, tokens)
    language: dict[str, Tensor] = {}
    if config.text_steps:
        collator = collator_of(config, tokens)
        rows = [collator.text_ids(rendered) for rendered in read]
        read_texts(model.language_model, rows, tokens.language_id(PAD), config.text_steps)
        language = checkpoints.language_values(model)
    freeze(model)
    fingerprint = frozen_fingerprint(model)
    to_device(model, device)
    return _Run(
        model=model,
        tokens=tokens,
        optimizer=adamw(trained_parameters(model), config),
        language=language,
        shape=shape,
        fingerprint=fingerprint,
        step=0,
    )


def _resumed(config: TrainConfig, stream: Stream, out: Path, device: torch.device) -> _Run | None:
    newest = checkpoints.newest(out)
    if newest is None:
        return None
    checkpoint = checkpoints.read(newest)
    _check_config(checkpoint, config)
    position = stream.check_state(checkpoint.stream)
    if position != checkpoint.position or position != checkpoint.step * config.batch_size:
        places = f"step {checkpoint.step}, position {checkpoint.position}, stream position {position}"
        raise IbDataError(f"{newest}: cannot resume: {places} do not fit; use another checkpoint")
    tokens = Tokens.load(newest)
    model = checkpoints.load_model(checkpoint, tokens)
    language = checkpoints.load_language(newest) if config.text_steps else {}
    to_device(model, device)
    optimizer = adamw(trained_parameters(model), config)
    checkpoints.load_optimizer(newest, model, optimizer)
    return _Run(
        model=model,
        tokens=tokens,
        optimizer=optimizer,
        language=language,
        shape=checkpoint.shape,
        fingerprint=checkpoint.fingerprint,
        step=checkpoint.step,
    )


def _check_config(checkpoint: checkpoints.Checkpoint, config: TrainConfig) -> None:
    then, now = asdict(checkpoint.config), asdict(config)
    changed = [f"{key} was {then[key]}, is {now[key]}" for key in now if key not in _FREE and then[key] != now[key]]
    if changed:
        remedy = "give the old values to go on, or name another --out to begin anew"
        raise IbDataError(f"{checkpoint.folder}: cannot resume: {'; '.join(changed)}; {remedy}")


def _steps(
    config: TrainConfig, stream: Stream, run: _Run, out: Path, device: torch.device, say: Callable[[str], None]
) -> None:
    if run.step:
        say(f"resuming at step {run.step} of {config.steps}")
    _cut_log(out, run.step)
    if run.step == config.steps:
        return
    run.model.train()
    size = config.batch_size
    loader = StreamLoader(stream, size, collator_of(config, run.tokens), start=run.step * size, workers=config.workers)
    bar = tqdm(total=config.steps, initial=run.step, unit="step", disable=not sys.stderr.isatty())
    with (out / LOG).open("a", encoding="utf-8") as log, bar, loader.naming_deaths():
        before = time.perf_counter()
        for step, batch in zip(range(run.step, config.steps), loader, strict=False):
            rate = learning_rate_at(step, config)
            loss = _step(config, run, batch, step, rate, device)
            after = time.perf_counter()
            row = {"step": step, "loss": loss, "learning_rate": rate, "samples_per_s": size / (after - before)}
            row |= {name: value for name, value in loader.meter.take().values().items() if name in LOGGED}
            before = after
            print(json.dumps(row), file=log, flush=True)
            bar.update()
            bar.set_postfix(loss=f"{loss:.4f}")
            if bar.disable and (step % max(1, config.steps // 20) == 0 or step + 1 == config.steps):
                say(f"step {step}  loss {loss:.4f}  lr {rate:.2e}  {row['samples_per_s']:,.0f} samples/s")
            if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
                _save(config, stream, run, out, step + 1)


def _step(
    config: TrainConfig,
    run: _Run,
    batch: Batch,
    step: int,
    rate: float,
    device: torch.device,
) -> float:
    # A seed a step, not a running generator: dropout is then a function of (seed, step), and resuming needs no state.
    torch.manual_seed(keyed_bits(config.seed, "training.dropout", step) % 2**63)
    for parameters in run.optimizer.param_groups:
        parameters["lr"] = rate
    batch = batch.to(device)
    with autocast(device):
        loss = batch_loss(run.model, batch)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    run.optimizer.step()
    value = loss.item()
    if value != value:
        places = f"positions {step * config.batch_size} to {(step + 1) * config.batch_size - 1}"
        raise IbDataError(f"the loss of step {step} ({places}) is not a number; lower learning_rate and begin anew")
    return value


def _save(config: TrainConfig, stream: Stream, run: _Run, out: Path, step: int) -> None:
    position = step * config.batch_size
    state = checkpoints.state_of(position, stream.state(position), config, run.shape, run.fingerprint)
    checkpoints.save(out, step, run.model, run.optimizer, run.tokens, run.language, state)


def _log_rows(out: Path) -> list[Mapping[str, Any]]:
    path = out / LOG
    if not path.is_file():
        return []
    # A killed run may leave half a line at the end.
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]


def _logged_losses(out: Path) -> list[float]:
    return [float(row["loss"]) for row in _log_rows(out)]


def _cut_log(out: Path, step: int) -> None:
    """Drop the lines of steps that the checkpoint does not hold: they are about to be made again."""
    rows = [row for row in _log_rows(out) if row["step"] < step]
    partial = out / f".partial-{LOG}"
    partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    partial.replace(out / LOG)
