"""Bytes that one process needs for weights, optimiser and the activations of one micro-batch."""

from collections.abc import Sequence
from dataclasses import dataclass

from ib_data.training.estimate.flops import Row
from ib_data.training.estimate.parts import Parts

_FLOAT32, _BFLOAT16 = 4, 2
# AdamW's two moments, the gradient and the master value of a trained parameter.
_PER_TRAINED = 4 * _FLOAT32
# Numbers kept for backward, for each number that a linear layer gives. A frozen layer keeps no input; what is kept are
# the inputs of norms, activations and attention. Counted on the real shapes: 1.75 (LLaMA), 2.05 (T5 with exact GELU).
_KEPT_FROZEN = 2.0
# A trained layer keeps its input too, and dropout its mask: 2.3 to 2.8 counted on the Q-Former.
_KEPT_TRAINED = 2.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes by use."""

    frozen_weights: int
    trained_weights: int
    activations: int

    @property
    def total(self) -> int:
        """All uses together."""
        return self.frozen_weights + self.trained_weights + self.activations


def memory_of(parts: Parts, rows: Sequence[Row], *, half: bool, num_images: int, language_shards: int = 1) -> Memory:
    """The memory for a micro-batch of `rows`, each padded to the longest, over `num_images` distinct images.

    `half`: frozen weights and activations are bfloat16. `language_shards`: processes that share one copy of the
    language model. An estimate, without what the allocator and the libraries take.
    """
    number = _BFLOAT16 if half else _FLOAT32
    language = parts.parameters["language_model"]
    frozen = (parts.num_frozen - language + -(-language // language_shards)) * number
    # Under autocast each trained matrix is copied to bfloat16 once a step.
    trained = parts.num_trained * (_PER_TRAINED + (_BFLOAT16 if half else 0))
    kept = _vision(parts, num_images) + _qformer(parts, rows) + _language(parts, rows)
    logits = sum(row.target for row in rows) * parts.config.text_config.vocab_size * (number + 2 * _FLOAT32)
    return Memory(frozen_weights=frozen, trained_weights=trained, activations=round(kept * number) + logits)


def _vision(parts: Parts, num_images: int) -> float:
    """Features that are kept, and the widest moment of a block: nothing else of the encoder stays."""
    config = parts.config.vision_config
    tokens = (config.image_size // config.patch_size) ** 2 + 1
    return float(num_images * tokens * (5 * config.hidden_size + 2 * config.intermediate_size))


def _qformer(parts: Parts, rows: Sequence[Row]) -> float:
    config, vision = parts.config.qformer_config, parts.config.vision_config
    features = (vision.image_size // vision.patch_size) ** 2 + 1
    layers, width = config.num_hidden_layers, config.hidden_size
    cross_layers = -(-layers // config.cross_attention_frequency)
    queries = parts.config.num_query_tokens
    tokens = queries + max((row.qformer for row in rows), default=0)
    own = layers * tokens * (5 * width + config.intermediate_size) + cross_layers * queries * 2 * width
    return float(_KEPT_TRAINED * sum(row.frames for row in rows) * (own + cross_layers * features * 2 * width))


def _language(parts: Parts, rows: Sequence[Row]) -> float:
    queries = parts.config.num_query_tokens
    prompt = max((row.frames * queries + row.instruction for row in rows), default=0)
    target = max((row.target for row in rows), default=0)
    if parts.encoder is None:
        longest = max((row.frames * queries + row.instruction + row.target for row in rows), default=0)
        return _KEPT_FROZEN * len(rows) * longest * parts.decoder.outputs
    of_prompt = prompt * (parts.encoder.outputs + parts.decoder.cross_outputs)
    return _KEPT_FROZEN * len(rows) * (of_prompt + target * parts.decoder.outputs)
