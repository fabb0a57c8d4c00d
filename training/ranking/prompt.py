"""Prompts that the language model has read once: what every candidate continues.

Shape letters: B questions, L tokens of the longest prompt, M tokens read before a candidate (L in a causal model; one,
the decoder's start, in an encoder-decoder model), R rows of tokens that continue a prompt, V the vocabulary.
"""

from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, EncoderDecoderCache
from transformers.cache_utils import DynamicLayer
from transformers.modeling_outputs import BaseModelOutput

from ib_data.training.model.forward import head_only_at

_Layers = list[tuple[Tensor, Tensor]]


class _SharedLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values that a call reads in front of its own, and leaves as they are."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys, self.values = keys, values
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Both with those of the call at the end."""
        keys, values = self.keys, self.values
        assert keys is not None
        assert values is not None
        return torch.cat([keys, key_states], dim=-2), torch.cat([values, value_states], dim=-2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPrompts:
    """B prompts as keys and values of the language model, and what it expects next.

    `mask` (B, M): ones at tokens. `lengths` (B,): the position of the next token. `logits` (B, V) of that token.
    `cross`, `encoded` (B, L, width) and `encoded_mask` (B, L) are those of an encoder-decoder model, None otherwise.
    """

    language_model: Any
    layers: _Layers
    cross: _Layers | None
    mask: Tensor
    lengths: Tensor
    logits: Tensor
    encoded: Tensor | None = None
    encoded_mask: Tensor | None = None

    def __len__(self) -> int:
        """The number of prompts."""
        return len(self.mask)

    def one(self, index: int) -> "ReadPrompts":
        """One of the prompts; a view."""
        return self._each(lambda values: values[index : index + 1])

    def expanded(self, num_rows: int) -> "ReadPrompts":
        """A single prompt, once for each of `num_rows`; a view."""
        return self._each(lambda values: values.expand(num_rows, *values.shape[1:]))

    def _each(self, change: Any) -> "ReadPrompts":
        tensors: dict[str, Any] = {
            name: None if (value := getattr(self, name)) is None else change(value)
            for name in ("mask", "lengths", "logits", "encoded", "encoded_mask")
        }
        layers = [(change(keys), change(values)) for keys, values in self.layers]
        cross = None if self.cross is None else [(change(keys), change(values)) for keys, values in self.cross]
        return replace(self, layers=layers, cross=cross, **tensors)

    def logits_after(self, ids: Tensor, depths: Tensor, mask: Tensor, places: Tensor) -> Tensor:
        """Logits (S, V) at flat `places` of tokens `ids` (R, n), for R = B, that continue the prompts.

        `depths` (n,) is how many tokens are between the prompt and each one; `mask` either (R, M + n), where a token
        sees all before it, or what is added to attention scores, (R or 1, 1, n, M + n).
        """
        model = self.language_model
        own = Cache(layers=[_SharedLayer(*layer) for layer in self.layers])
        if self.cross is None:
            given: dict[str, Any] = {"inputs_embeds": model.get_input_embeddings()(ids), "attention_mask": mask}
            if "position_ids" in signature(model.forward).parameters:
                given["position_ids"] = self.lengths[:, None] + depths
            given["past_key_values"] = own
        else:
            cross = Cache(layers=[_SharedLayer(*layer) for layer in self.cross])
            given = {"decoder_input_ids": ids, "decoder_attention_mask": mask, "attention_mask": self.encoded_mask}
            given |= {"encoder_outputs": BaseModelOutput(last_hidden_state=self.encoded)}
            given |= {"past_key_values": EncoderDecoderCache(own, cross)}
        with head_only_at(model, places):
            logits: Tensor = model(**given, use_cache=True).logits
        return logits[0]


def read_prompts(language_model: Any, embeddings: Tensor, mask: Tensor, start_id: int | None) -> ReadPrompts:
    """Read prompts (B, L, D) with their mask (B, L), padded on the right.

    `start_id` is what the decoder of an encoder-decoder model begins with.
    """
    rows = len(embeddings)
    device = embeddings.device
    if start_id is None:
        cache: Any = DynamicCache()  # whole layers also where attention slides: the mask does that
        places = torch.arange(rows, device=device) * embeddings.shape[1] + mask.sum(dim=1) - 1
        given: dict[str, Any] = {"inputs_embeds": embeddings}  # no token sees the padding behind it
    else:
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        places = torch.arange(rows, device=device)
        output = language_model.get_encoder()(inputs_embeds=embeddings, attention_mask=mask)
        start = torch.full((rows, 1), start_id, dtype=torch.int64, device=device)
        given = {"encoder_outputs": output, "attention_mask": mask, "decoder_input_ids": start}
    with head_only_at(language_model, places):
        logits = language_model(**given, past_key_values=cache, use_cache=True).logits[0]
    if start_id is None:
        own = _layers_of(cache)
        return ReadPrompts(
            language_model=language_model,
            layers=own,
            cross=None,
            mask=mask,
            lengths=mask.sum(dim=1),
            logits=logits,
        )
    return ReadPrompts(
        language_model=language_model,
        layers=_layers_of(cache.self_attention_cache),
        cross=_layers_of(cache.cross_attention_cache),
        mask=torch.ones_like(start),
        lengths=torch.ones_like(start[:, 0]),
        logits=logits,
        encoded=output.last_hidden_state,
        encoded_mask=mask,
    )


def _layers_of(cache: Any) -> _Layers:
    return [(layer.keys, layer.values) for layer in cache.layers]
