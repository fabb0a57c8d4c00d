"""The fingerprint of a vision encoder in memory."""

import hashlib
import json

import torch
from torch import Tensor
from transformers import PreTrainedModel

# Where and by what a configuration was written, which changes no feature.
_NOT_COMPUTED = ("_name_or_path", "transformers_version", "architectures", "dtype")


def encoder_fingerprint(encoder: PreTrainedModel) -> str:
    """SHA-256, in hex, over the configuration and the name, dtype, shape and bytes of every tensor of `encoder`.

    The dtype counts because features of a bfloat16 encoder differ from those of its float32 original.
    """
    settings = {name: value for name, value in encoder.config.to_dict().items() if name not in _NOT_COMPUTED}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data
