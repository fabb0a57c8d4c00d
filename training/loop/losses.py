"""The module whose forward pass gives the losses of a batch, as each process runs it."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ib_data.training.batch.batch import Batch
from ib_data.training.loop.ranks import Ranks
from ib_data.training.model.forward import image_features, target_losses

Features = Callable[[Batch], Tensor]


class TargetLosses(nn.Module):
    """The losses of the target tokens of a batch, float32 (S,). `features` gives those of its unique frames."""

    def __init__(self, model: Any, features: Features | None = None) -> None:
        super().__init__()
        self.model = model
        self._features = features or (lambda batch: image_features(model, batch.pixel_values))

    def forward(self, batch: Batch) -> Tensor:
        """See the class."""
        return target_losses(self.model, batch, self._features(batch))


def losses_of(model: Any, ranks: Ranks, features: Features | None = None) -> nn.Module:
    """`TargetLosses` of a frozen model; with several processes, their gradients are averaged in the backward pass."""
    losses = TargetLosses(model, features)
    if ranks.world == 1:
        return losses
    # Every process has read the same files: gigabytes of frozen values must not be sent, nor buffers in every step.
    still = [name for name, p in losses.named_parameters() if not p.requires_grad]
    still += [name for name, _ in losses.named_buffers()]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(losses, still)  # type: ignore[no-untyped-call]
    devices = [ranks.device] if ranks.device.type == "cuda" else None
    return DistributedDataParallel(losses, device_ids=devices, gradient_as_bucket_view=True)
