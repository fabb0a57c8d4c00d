"""Splits the frozen language model over the processes, for one that does not fit on a card (PyTorch's FSDP2)."""

from typing import Any

import torch
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


@torch.no_grad()
def gather_outside_layers(language_model: Any) -> None:
    """Gather what is outside of the layers, such as the last norm of an encoder, until the next backward pass.

    A forward pass of one token does: FSDP2 drops the layers after it, but not the rest. Needed before parts of a split
    language model are called by themselves, as generation calls the encoder. All processes call it at the same time.
    """
    ids = torch.zeros(1, 1, dtype=torch.int64, device=language_model.get_input_embeddings().weight.device)
    decoder = {"decoder_input_ids": ids} if language_model.config.is_encoder_decoder else {}
    language_model(input_ids=ids, **decoder)
