"""InstructBLIP's forward pass from the modules of transformers: features, soft prompt, logits at the targets.

Shape letters: U unique frames, N pairs of an annotation and one of its frames, B annotations, Q query tokens, T
Q-Former text tokens, L language-model tokens, S target tokens, P image patches + 1, D width of the language model, V
its vocabulary.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import InstructBlipForConditionalGeneration

from ib_data.training.batch.batch import Batch


def image_features(model: InstructBlipForConditionalGeneration, pixel_values: Tensor) -> Tensor:
    """The frozen vision encoder's features, (U, P, width), of frames (U, 3, H, W); no gradient."""
    with torch.no_grad():
        values = pixel_values.to(model.vision_model.dtype)
        features: Tensor = model.vision_model(pixel_values=values).last_hidden_state
    return features


def soft_prompt(
    model: InstructBlipForConditionalGeneration, features: Tensor, text_ids: Tensor | None, text_mask: Tensor | None
) -> Tensor:
    """The Q-Former's output for the language model, (N, Q, D), from features (N, P, width) and instructions (N, T).

    Without text (None) the queries read the image alone. The text must be padded on the right: its positions are
    absolute.
    """
    queries = model.query_tokens.expand(features.shape[0], -1, -1)
    mask = torch.ones(queries.shape[:2], dtype=torch.int64, device=queries.device)
    if text_mask is not None:
        mask = torch.cat([mask, text_mask], dim=1)
    # Under autocast the features stay bfloat16: as float32, each of the 12 key and value layers of the paper's Q-Former
    # would keep a bfloat16 copy of its own, 0.5 GB for 64 images. No mask over patches: transformers would wait for the
    # device to see that it is all ones.
    is_cast = torch.is_autocast_enabled(features.device.type)
    output = model.qformer(
        input_ids=text_ids,
        attention_mask=mask,
        query_embeds=queries,
        encoder_hidden_states=features if is_cast else features.to(queries.dtype),
    ).last_hidden_state
    projected: Tensor = model.language_projection(output[:, : queries.shape[1]])
    return projected


def batch_prompt(model: InstructBlipForConditionalGeneration, batch: Batch, features: Tensor | None = None) -> Tensor:
    """The soft prompts of all pairs of a batch, (N, Q, D); each unique frame is encoded once.

    `features` (U, P, width) takes the place of the vision encoder's.
    """
    features = image_features(model, batch.pixel_values) if features is None else features
    ids, mask = batch.qformer_input_ids, batch.qformer_attention_mask
    if ids is not None and mask is not None:
        ids, mask = ids[batch.text_index], mask[batch.text_index]
    return soft_prompt(model, features[batch.frame_index], ids, mask)


def language_inputs(model: InstructBlipForConditionalGeneration, prompt: Tensor, input_ids: Tensor) -> Tensor:
    """Embeddings (B, L, D) of `input_ids`, with the soft prompts (N, Q, D) in place of the image placeholders.

    Rows must have a placeholder for each query of each of their frames: with fewer, stock models drop part of the image
    without a word. The collator asserts it for each row, and this function for the batch.
    """
    embeddings: Tensor = model.get_input_embeddings()(input_ids)
    placeholders = input_ids == model.config.image_token_id
    # Without a synchronisation with the device.
    torch._assert_async(placeholders.sum() == prompt.shape[0] * prompt.shape[1], "one placeholder per query token")
    return embeddings.masked_scatter(placeholders.unsqueeze(-1), prompt.to(embeddings.dtype))


def target_logits(model: InstructBlipForConditionalGeneration, batch: Batch, features: Tensor | None = None) -> Tensor:
    """Logits (S, V) that predict the targets of a batch; other positions never reach the vocabulary."""
    embeddings = language_inputs(model, batch_prompt(model, batch, features), batch.input_ids)
    if batch.decoder_input_ids is None:
        # In a causal model the padding on the right changes nothing before it, and attention is faster without a mask.
        more: dict[str, Tensor] = {}
    else:
        more = {"attention_mask": batch.attention_mask, "decoder_input_ids": batch.decoder_input_ids}
    with head_only_at(model.language_model, batch.target_index):
        logits: Tensor = model.language_model(inputs_embeds=embeddings, use_cache=False, **more).logits
    return logits[0]


def target_losses(model: InstructBlipForConditionalGeneration, batch: Batch, features: Tensor | None = None) -> Tensor:
    """The negative log-likelihood of every target token of a batch, float32 (S,)."""
    logits = target_logits(model, batch, features)
    return nn.functional.cross_entropy(logits.float(), batch.targets, reduction="none")


@contextmanager
def head_only_at(language_model: Any, places: Tensor) -> Iterator[None]:
    """In the block, the vocabulary head sees only the hidden states at flat `places` of (B, L): (1, S, D).

    A hook, since `logits_to_keep` takes the same positions of all rows and encoder-decoder models lack it; and what a
    model does after its head (a soft cap, a scale) stays its own.
    """

    def chosen(_head: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (given[0].flatten(0, 1).index_select(0, places).unsqueeze(0), *given[1:])

    handle = language_model.get_output_embeddings().register_forward_pre_hook(chosen)
    try:
        yield
    finally:
        handle.remove()
