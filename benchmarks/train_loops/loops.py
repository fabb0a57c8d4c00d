"""The two loops: the stock wrapper as its users train it, and ours. Both do forward, backward and AdamW."""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ib_data.training.batch.batch import Batch, StepBatch
from ib_data.training.config.train_config import TrainConfig
from ib_data.training.loop.losses import losses_of
from ib_data.training.loop.optimizer import adamw
from ib_data.training.loop.ranks import Ranks
from ib_data.training.loop.step import step_gradients
from ib_data.training.model.forward import target_losses
from ib_data.training.model.parts import autocast, trained_parameters

LEARNING_RATE = 1e-5


class Loop(Protocol):
    """A training loop over one model."""

    name: str

    def enter(self) -> None:
        """Put the model into the modes that this loop trains in."""

    def step(self, batch: StepBatch) -> float:
        """Forward, backward and AdamW; the loss."""

    def loss(self, batch: Batch) -> Tensor:
        """The loss alone, with a graph."""

    def release(self) -> None:
        """Free gradients and the optimiser's state."""


class StockLoop:
    """`InstructBlipForConditionalGeneration` with labels, called as in the fine-tuning examples of its users.

    One image an annotation; frozen parts only have `requires_grad=False` and are in training mode, so the dropout of
    FlanT5 is on. Frozen weights are bfloat16 here too, which is generous: many users load float32.
    """

    name = "stock"

    def __init__(self, model: Any, device: torch.device, dtype: torch.dtype) -> None:
        self.model, self.device, self.dtype = model, device, dtype
        trained = trained_parameters(model).values()
        self.optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=0.05)

    def enter(self) -> None:
        """See Loop. `model.train()` would not reach parts that our `freeze` keeps in evaluation mode."""
        for module in self.model.modules():
            module.training = True

    def step(self, batch: StepBatch) -> float:
        """See Loop."""
        (micro,) = batch.micro
        self.optimizer.zero_grad()
        loss = self.loss(micro.to(self.device))
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def loss(self, batch: Batch) -> Tensor:
        """See Loop."""
        with autocast(self.dtype, self.device):
            loss: Tensor = self.model(
                pixel_values=batch.pixel_values[batch.frame_index],
                qformer_input_ids=batch.qformer_input_ids,
                qformer_attention_mask=batch.qformer_attention_mask,
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
                labels=batch.labels,
            ).loss
        return loss

    def release(self) -> None:
        """See Loop."""
        _release(self.optimizer)


class OurLoop:
    """The trainer's own step."""

    name = "ours"

    def __init__(self, model: Any, device: torch.device, dtype: torch.dtype) -> None:
        self.model, self.device, self.dtype = model, device, dtype
        self.ranks = Ranks(world=1, rank=0, device=device)
        config = TrainConfig(mixture="", model="", learning_rate=LEARNING_RATE)
        self.optimizer = adamw(trained_parameters(model), config)
        self.losses = losses_of(model, self.ranks)

    def enter(self) -> None:
        """See Loop."""
        for module in self.model.modules():
            module.training = True
        for part in (self.model.vision_model, self.model.language_model):
            for module in part.modules():
                module.training = False

    def step(self, batch: StepBatch) -> float:
        """See Loop."""
        result = step_gradients(
            self.losses,
            self.optimizer,
            batch,
            self.ranks,
            num_targets=batch.num_targets,
            learning_rate=LEARNING_RATE,
            dtype=self.dtype,
            seed=0,
            step=0,
        )
        assert result.fault is None, result.fault
        self.optimizer.step()
        return result.loss

    def loss(self, batch: Batch) -> Tensor:
        """See Loop."""
        with autocast(self.dtype, self.device):
            return target_losses(self.model, batch).mean()

    def release(self) -> None:
        """See Loop."""
        _release(self.optimizer)


def _release(optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad(set_to_none=True)
    optimizer.state.clear()


def step_batch(batch: Batch) -> StepBatch:
    """A step of one micro-batch."""
    return StepBatch(micro=(batch,), num_targets=len(batch.targets), num_cut_targets=0, num_cut_instructions=0)


def compared(stock: StockLoop, ours: OurLoop, batch: Batch) -> dict[str, float]:
    """Both losses of a batch, without dropout, and how far the gradient of the query tokens differs, in parts of 1."""
    for module in stock.model.modules():
        module.training = False
    losses, gradients = [], []
    for loop in (stock, ours):
        stock.model.zero_grad(set_to_none=True)
        loss = loop.loss(batch.to(stock.device))
        loss.backward()
        losses.append(loss.item())
        gradients.append(stock.model.query_tokens.grad.clone())
    stock.model.zero_grad(set_to_none=True)
    apart = (gradients[0] - gradients[1]).norm() / gradients[0].norm()
    return {"stock": losses[0], "ours": losses[1], "gradient_apart": apart.item()}


def counted_flops(loop: Loop, batch: StepBatch) -> int:
    """The floating-point operations of one step. Attention is counted as matrix products, whatever kernel runs it.

    A fused kernel on the CPU would not be counted, and those on CUDA count their own recomputation.
    """
    loop.enter()
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        loop.step(batch)
    total: int = counter.get_total_flops()
    return total
