"""Features of a batch of images through a cache."""

import hashlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ib_data.media.normalised import normalised
from ib_data.training.batch.batch import Batch
from ib_data.training.features.cache import FeatureCache
from ib_data.training.model.forward import image_features

Encode = Callable[[Tensor], Tensor]


def features_through(cache: FeatureCache, model: Any) -> Callable[[Batch], Tensor]:
    """What gives the features of a batch, bfloat16 (U, P, W), by `cache` and the vision encoder of `model`."""
    return lambda batch: cached_features(cache, batch.images, lambda images: image_features(model, normalised(images)))


def cached_features(cache: FeatureCache, images: Tensor, encode: Encode) -> Tensor:
    """The features of `images`, uint8 (U, H, W, 3), as bfloat16 (U, P, W) on the device of `images`.

    `encode` makes features (M, P, W) of the M images that the cache lacks, in one call, and is not called if there are
    none. Its features are rounded to bfloat16 before they are used, so a step has the same values whether an image
    was found or not.
    """
    keys = image_keys(images)
    found = cache.get(keys)
    missing = [number for number, features in enumerate(found) if features is None]
    if missing:
        encoded = encode(images[missing]).detach().to(torch.bfloat16)
        on_cpu = encoded.cpu()
        cache.put([keys[number] for number in missing], on_cpu)
        if len(missing) == len(keys):
            return encoded.to(images.device)
        for number, features in zip(missing, on_cpu, strict=True):
            found[number] = features
    return torch.stack([features for features in found if features is not None]).to(images.device)


def image_keys(images: Tensor) -> list[str]:
    """SHA-256, in hex, of each decoded image of uint8 (U, H, W, 3), with its size.

    Of the pixels, not of the stored bytes: they tell image, decoder, crop and augmentation at once, so an augmented
    image is found only where exactly those pixels come again. Hashing takes 0.1 ms for 224 x 224.
    """
    shape = str(tuple(images.shape[1:])).encode()
    return [hashlib.sha256(shape + image.numpy().tobytes()).hexdigest() for image in images.cpu()]
