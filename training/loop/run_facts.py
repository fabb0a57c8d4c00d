"""What a run is: the first line of its log, and the first lines on the terminal."""

from dataclasses import asdict, dataclass
from typing import Any

import torch

from ib_data.training.config.train_config import TrainConfig
from ib_data.training.loop.ranks import Ranks
from ib_data.training.loop.run import Run
from ib_data.training.model.parts import frozen_dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Model, device and batch of a run that continues after `step` steps (0: it begins).

    `micro_batches` is their number in each process. `ceiling_tflops_per_s` is the measured speed of large matrix
    products on the devices of all processes together, None if it was not measured.
    """

    step: int
    steps: int
    model: str
    language_model: str
    num_trained: int
    num_frozen: int
    device: str
    precision: str
    world: int
    micro_batches: int
    batch_size: int
    ceiling_tflops_per_s: float | None

    def line(self) -> dict[str, Any]:
        """For `log.jsonl`."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For the terminal."""
        share = self.batch_size // self.world
        one = -(-share // self.micro_batches)
        processes = f"{self.world} process{'' if self.world == 1 else 'es'}"
        micro = f"{self.micro_batches} micro-batch{'' if self.micro_batches == 1 else 'es'} of {one}"
        known = f"; measured ceiling {self.ceiling_tflops_per_s:.3g} TFLOP/s" if self.ceiling_tflops_per_s else ""
        return [
            f"model   {self.model} ({self.language_model}): {self.num_trained:,} parameters train, "
            f"{self.num_frozen:,} are frozen",
            f"device  {self.device}, {self.precision}{known}",
            f"batch   {self.batch_size:,} positions a step: {processes} x {micro}",
        ]


def run_facts(config: TrainConfig, run: Run, ranks: Ranks, ceiling: float | None) -> RunFacts:
    """The facts of a run in memory."""
    share = config.batch_size // ranks.world
    trained = [p.requires_grad for p in run.model.parameters()]
    sizes = [p.numel() for p in run.model.parameters()]
    num_trained = sum(size for size, is_trained in zip(sizes, trained, strict=True) if is_trained)
    is_half = frozen_dtype(config.precision, ranks.device) == torch.bfloat16
    return RunFacts(
        step=run.step,
        steps=config.steps,
        model=str(run.start),
        language_model=run.loaded.config.text_config.model_type,
        num_trained=num_trained,
        num_frozen=sum(sizes) - num_trained,
        device=_device_name(ranks.device),
        precision="bfloat16, trained parts float32" if is_half else "float32",
        world=ranks.world,
        micro_batches=-(-share // (config.micro_batch_size or share)),
        batch_size=config.batch_size,
        ceiling_tflops_per_s=ceiling,
    )


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} thread{'' if torch.get_num_threads() == 1 else 's'}"
