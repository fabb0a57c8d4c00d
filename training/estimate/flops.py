"""FLOPs of a training step, counted from the shapes of a model and the lengths of the rows.

A multiplication and an addition are two operations; only matrix products count, as `torch.utils.flop_counter` counts
them. Attention counts every pair of tokens, also those a causal mask hides, and nothing is computed twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from transformers import PreTrainedConfig

from ib_data.training.estimate.parts import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The tokens of one annotation without padding; specials are counted, image placeholders are not.

    `instruction`: what the language model reads before the target; `qformer`: the Q-Former's text, 0 without one;
    `frames`: images of the annotation, 1 unless it is a clip.
    """

    instruction: int
    target: int
    qformer: int
    frames: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Flops:
    """FLOPs by part, forward and backward together."""

    vision: float
    qformer: float
    projection: float
    language: float

    @property
    def total(self) -> float:
        """All parts together."""
        return self.vision + self.qformer + self.projection + self.language


def step_flops(
    parts: Parts,
    rows: Iterable[Row],
    *,
    num_images: int | None = None,
    backward: bool = True,
    all_logits: bool = False,
) -> Flops:
    """The FLOPs of forward and, with `backward`, backward over these rows.

    The vision encoder runs once for each of `num_images` distinct images (None: for every frame of every row; 0: its
    features come from a cache) and has no backward. Q-Former and projection have gradients of weights and inputs, the
    frozen language model of inputs alone. `all_logits`: a causal model computes the vocabulary at every position, as
    the stock loop does, not only where a target is predicted.
    """
    rows = list(rows)
    frames = sum(row.frames for row in rows)
    images = frames if num_images is None else num_images
    queries = parts.config.num_query_tokens
    width = parts.config.qformer_config.hidden_size
    projection = 2.0 * queries * width * parts.config.text_config.hidden_size * frames
    texts = [(row.qformer, row.frames) for row in rows]
    return Flops(
        vision=images * _vision(parts),
        qformer=sum(count * _qformer(parts, text, backward) for text, count in texts),
        projection=projection * (3 if backward else 1),
        language=sum(_language(parts, row, backward, all_logits) for row in rows),
    )


def _vision(parts: Parts) -> float:
    """One image through the vision encoder."""
    config = parts.config.vision_config
    patches = (config.image_size // config.patch_size) ** 2
    tokens, width = patches + 1, config.hidden_size
    matrices = config.num_hidden_layers * (4 * width**2 + 2 * width * config.intermediate_size)
    pairs = _pairs(config.num_hidden_layers, tokens, tokens, width)
    return float(2 * (patches * 3 * config.patch_size**2 * width + tokens * matrices) + pairs)


def _qformer(parts: Parts, text: int, backward: bool) -> float:
    """One image's features through the Q-Former, with `text` tokens of instruction."""
    config, vision = parts.config.qformer_config, parts.config.vision_config
    queries, width, layers = parts.config.num_query_tokens, config.hidden_size, config.num_hidden_layers
    features = (vision.image_size // vision.patch_size) ** 2 + 1
    cross_layers = -(-layers // config.cross_attention_frequency)
    own = layers * (queries + text) * (4 * width**2 + 2 * width * config.intermediate_size)
    own += cross_layers * queries * 2 * width**2
    from_features = cross_layers * features * 2 * vision.hidden_size * width
    pairs = _pairs(layers, queries + text, queries + text, width) + _pairs(cross_layers, queries, features, width)
    forward = 2.0 * (own + from_features) + pairs
    # The features need no gradient, so their two matrices have one product in place of two.
    return float(forward + (2 * forward - 2.0 * from_features if backward else 0))


def _language(parts: Parts, row: Row, backward: bool, all_logits: bool) -> float:
    """One row through the frozen language model."""
    config = parts.config.text_config
    prompt = row.frames * parts.config.num_query_tokens + row.instruction
    width = _attention_width(config)
    free = 0.0
    if parts.encoder is None:
        tokens = prompt + row.target
        matrices = tokens * parts.decoder.weights + (tokens if all_logits else row.target) * parts.head
        pairs = _pairs(config.num_hidden_layers, tokens, tokens, width)
    else:
        layers = getattr(config, "num_decoder_layers", None) or config.decoder_layers
        matrices = prompt * (parts.encoder.weights + parts.decoder.cross_weights)
        matrices += row.target * (parts.decoder.weights + parts.head)
        pairs = _pairs(config.num_hidden_layers, prompt, prompt, width)
        pairs += _pairs(layers, row.target, row.target, width) + _pairs(layers, row.target, prompt, width)
        # Up to the first cross-attention the decoder has seen embeddings of the target alone, which need no gradient:
        # five matrices, the self-attention, and the queries of the cross-attention.
        free = 2.0 * row.target * 5 * config.hidden_size * width
        free += 2 * _pairs(1, row.target, row.target, width) + _pairs(1, row.target, prompt, width) / 2
    return float(4.0 * matrices + 3 * pairs - free if backward else 2.0 * matrices + pairs)


def _pairs(layers: int, queries: int, keys: int, width: int) -> float:
    """Both products of attention, in all layers: scores, and their mean of the values."""
    return 4.0 * layers * queries * keys * width


def _attention_width(config: PreTrainedConfig) -> int:
    """Heads times the width of a head."""
    heads = config.num_attention_heads
    head = getattr(config, "head_dim", None) or getattr(config, "d_kv", None) or config.hidden_size // heads
    return int(heads * head)
