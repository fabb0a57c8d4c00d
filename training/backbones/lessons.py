"""Lessons of a language model: dense recitals first, at a low rate, then the corpus with recitals mixed in."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from ib_data.training.backbones.muon import Muon
from ib_data.training.backbones.reading import Batch, Reader, Row, batch_of, token_id
from ib_data.training.backbones.recitals import recital
from ib_data.training.backbones.slots import noisy_slots
from ib_data.training.backbones.start_values import WIDTH
from ib_data.training.backbones.texts import Item
from ib_data.training.text.word_tokenizers import PAD
from ib_data.training.weights.tokenizer_files import IMAGE_TOKEN

NOISE = 0.1
_BIAS_FACTOR = 10.0  # of the rate of T5's biases of positions, which are of the size of attention scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage of training. Shares go linearly from the first to the second value.

    `recitals`: the share of recitals; of these `talks` and `pairs` as in `recital`. `tokens`: padded positions a step.
    `sizes`: the share of recitals that compare sizes; `weights` replace those of WEIGHTS.
    """

    steps: int
    tokens: int
    recitals: tuple[float, float]
    talks: tuple[float, float]
    pairs: float
    matrix_rate: float
    other_rate: float
    sizes: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)
    warmup: int = 20


_RECITALS = Stage(
    steps=350, tokens=1200, recitals=(1.0, 0.85), talks=(0.0, 0.3), pairs=0.25, matrix_rate=4e-3, other_rate=1e-3
)
_TEXTS = Stage(
    steps=2400, tokens=1600, recitals=(0.5, 0.1), talks=(0.6, 0.6), pairs=0.5, matrix_rate=5e-3, other_rate=1e-3
)
# Whether a size is the one that is asked for, and whether two are equal, is what a model may miss in the other stages.
_SIZES = Stage(
    steps=350,
    tokens=1600,
    recitals=(0.6, 0.3),
    talks=(0.5, 0.5),
    pairs=0.5,
    matrix_rate=3e-3,
    other_rate=7e-4,
    sizes=0.7,
    weights={"size yes/no": 8.0, "same size": 8.0, "first turn": 3.0, "dialogue": 3.0, "conversation": 3.0},
)
STAGES: dict[str, tuple[Stage, ...]] = {
    "llama": (_RECITALS, _TEXTS, replace(_SIZES, steps=300)),
    # An encoder-decoder model reads one question of a talk, so talks are cheap; a position costs half as much again.
    "t5": (
        replace(_RECITALS, talks=(0.5, 0.7)),
        replace(_TEXTS, steps=1800, tokens=1300, talks=(0.8, 0.8)),
        replace(_SIZES, tokens=1300),
    ),
}
# Kind of exercise -> how often it is drawn; 1 where nothing is said. Two look-ups and a comparison come last.
WEIGHTS = {
    "left of": 3.0, "above": 3.0, "higher": 1.5, "VSR": 7.0, "same size": 3.0, "options": 2.0, "clip": 2.0,
    "caption": 2.0, "detail": 0.5, "dialogue": 1.5, "conversation": 1.5, "more corners": 0.5, "unanswerable": 0.3,
    "cover": 0.7, "cover yes/no": 0.7,
}  # fmt: skip
_POOL_ROWS = 384  # rows that are sorted by length and cut into batches


def target_logits(model: Any, batch: Batch, image_id: int, generator: torch.Generator | None, noise: float) -> Tensor:
    """Logits (targets, vocabulary) of a batch; without a generator the slots have no noise."""
    table = model.get_input_embeddings().weight
    if generator is None:
        generator, noise = torch.Generator(), 0.0
    slots = noisy_slots(table, batch.words, generator, noise)
    embedded = nn.functional.embedding(batch.ids, table)
    embedded = embedded.masked_scatter((batch.ids == image_id).unsqueeze(-1), slots)
    if batch.decoder_ids is None:
        hidden = model.model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        scale = 1.0
    else:
        encoded = model.encoder(inputs_embeds=embedded, attention_mask=batch.mask).last_hidden_state
        decoder = model.decoder(
            input_ids=batch.decoder_ids,
            encoder_hidden_states=encoded,
            encoder_attention_mask=batch.mask,
            use_cache=False,
        )
        hidden, scale = decoder.last_hidden_state, WIDTH**-0.5
    chosen = hidden.flatten(0, 1).index_select(0, batch.places) * scale
    return nn.functional.linear(chosen, model.get_output_embeddings().weight)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A model, its reader, and the items by kind."""

    model: Any
    family: str
    reader: Reader
    items: dict[str, list[Item]]

    @property
    def image_id(self) -> int:
        """The id of the placeholder of a slot."""
        return token_id(self.reader.tokenizer, IMAGE_TOKEN)

    def batch(self, rows: Sequence[Row]) -> Batch:
        """A batch of rows for this model."""
        pad_id = token_id(self.reader.tokenizer, PAD)
        return batch_of(rows, self.image_id, pad_id, is_causal=self.family == "llama")

    def batches(self, stage: Stage, rng: Random) -> Iterator[Batch]:
        """The batches of a stage."""
        kinds = sorted(self.items)
        weights = [stage.weights.get(kind, WEIGHTS.get(kind, 1.0)) for kind in kinds]
        made = 0
        while made < stage.steps:
            done = made / stage.steps
            rows = [self._row(stage, done, kinds, weights, rng) for _ in range(_POOL_ROWS)]
            groups = _groups(rows, stage.tokens)
            rng.shuffle(groups)
            for group in groups[: stage.steps - made]:
                yield self.batch(group)
            made += len(groups)

    def _row(self, stage: Stage, done: float, kinds: Sequence[str], weights: Sequence[float], rng: Random) -> Row:
        if rng.random() < _between(stage.recitals, done):
            return self.reader.recital(recital(rng, _between(stage.talks, done), stage.pairs, stage.sizes), rng)
        (kind,) = rng.choices(kinds, weights)
        return self.reader.item(rng.choice(self.items[kind]), rng)


def _between(ends: tuple[float, float], done: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * done


def _groups(rows: Sequence[Row], tokens: int) -> list[list[Row]]:
    """Rows of similar length in groups of at most `tokens` padded positions."""
    groups: list[list[Row]] = [[]]
    for row in sorted(rows, key=lambda row: row.length):
        if groups[-1] and (len(groups[-1]) + 1) * row.length > tokens:
            groups.append([])
        groups[-1].append(row)
    return groups


def train(
    lesson: Lesson, stages: Sequence[Stage], seed: int = 0, watch: Callable[[int, int, float], None] | None = None
) -> float:
    """Train through the stages and return the CPU seconds; `watch` is told (stage, step, loss) of each step."""
    start = time.process_time()
    rng, noise = Random(seed), torch.Generator().manual_seed(seed)
    for number, stage in enumerate(stages):
        muon, adam = _optimizers(lesson.model, stage)
        rates = [group["lr"] for group in adam.param_groups]
        for step, batch in enumerate(lesson.batches(stage, rng)):
            scale = _rate(step, stage)
            muon.rate = scale * stage.matrix_rate
            for group, rate in zip(adam.param_groups, rates, strict=True):
                group["lr"] = scale * rate
            logits = target_logits(lesson.model, batch, lesson.image_id, noise, NOISE)
            loss = nn.functional.cross_entropy(logits, batch.targets)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(lesson.model.parameters(), 1.0)
            muon.step()
            adam.step()
            lesson.model.zero_grad(set_to_none=True)
            if watch is not None:
                watch(number, step, loss.item())
    return time.process_time() - start


def _optimizers(model: Any, stage: Stage) -> tuple[Muon, torch.optim.Optimizer]:
    """Muon for the matrices, AdamW for embeddings and norms."""
    matrices: list[nn.Parameter] = []
    others: list[Tensor] = []
    biases: list[Tensor] = []
    for name, values in model.named_parameters():
        is_table = values.dim() == 1 or any(part in name for part in ("embed", "shared", "lm_head"))
        (biases if "relative_attention_bias" in name else others if is_table else matrices).append(values)
    groups: list[dict[str, Any]] = [{"params": others}]
    if biases:
        groups.append({"params": biases, "lr": _BIAS_FACTOR * stage.other_rate})
    return (
        Muon(matrices, rate=stage.matrix_rate, weight_decay=0.01),
        torch.optim.AdamW(groups, lr=stage.other_rate, betas=(0.9, 0.98), weight_decay=0.01),
    )


def _rate(step: int, stage: Stage) -> float:
    """Linear warm-up, then a cosine to a hundredth."""
    if step < stage.warmup:
        return (step + 1) / stage.warmup
    done = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
