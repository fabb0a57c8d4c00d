"""Splits the frozen language model over the processes, for one that does not fit on a card (PyTorch's FSDP2)."""

from typing import Any

from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from ib_data.errors import IbDataError
from ib_data.training.loop.ranks import Ranks
from ib_data.training.model.parts import outer_layers


def shard_language_model(model: Any, ranks: Ranks) -> None:
    """Give each process its part of every layer of the language model, on its device, in place.

    A layer is gathered when it runs, forward and backward, and dropped afterwards. The input embeddings stay whole:
    they are read outside of the language model's own forward pass. Raises IbDataError for a single process.
    """
    if ranks.world == 1:
        remedy = "start the run by torchrun, or set shard_language_model=false"
        raise IbDataError(f"shard_language_model=true needs several processes, found one; {remedy}")
    mesh = init_device_mesh(ranks.device.type, (ranks.world,))
    language_model = model.language_model
    whole = set(language_model.get_input_embeddings().parameters())
    for layer in outer_layers(language_model):
        fully_shard(layer, mesh=mesh, ignored_params=whole)
    fully_shard(language_model, mesh=mesh, ignored_params=whole)
