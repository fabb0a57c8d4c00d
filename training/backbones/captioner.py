"""The Q-Former that only captions taught: the start of the miniature, in the place of BLIP-2's.

Each query says one fact: a linear head on its hidden state predicts the words of the fact, all at once, and is thrown
away afterwards (parallel word cross-entropy). Texts take part from the first step: a phrase of a caption draws the
shape that it names into the first query (see `namings`). This takes the place of BLIP-2's three losses: it ties words
to what the image shows, with captions as the only source.
"""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import InstructBlipQFormerConfig, InstructBlipQFormerModel, PreTrainedTokenizerFast

from ib_data.training.backbones import namings, pictures, projections
from ib_data.training.backbones.muon import Muon
from ib_data.training.backbones.namings import Row, Texts, Told
from ib_data.training.backbones.slots import NOTHING, NUM_QUERIES
from ib_data.training.backbones.vision import FILE as VISION_FILE
from ib_data.training.backbones.vision import WIDTH as VISION_WIDTH
from ib_data.training.backbones.vision import features as encoded_features
from ib_data.training.backbones.vision import load_encoder
from ib_data.training.backbones.vocabulary import LANGUAGE_FOLDERS, QFORMER_FOLDER
from ib_data.training.backbones.word_head import WordHead, text_tensors, wanted_words

FILE = "qformer.safetensors"
WIDTH, NUM_LAYERS, NUM_HEADS, MLP_WIDTH, MAX_TEXT = 96, 3, 4, 192, 128
STEPS = 1500
_SEED, _BATCH = 0, 64
_MUON_RATE, _ADAM_RATE, _WARM_UP = 0.02, 2e-3, 30
_QUERY_SPREAD, _WORD_SPREAD, _UNSAID_SPREAD, _POSITION_SPREAD = 0.5, 0.5, 0.05, 0.1
_GAIN, _LOOK_UP_GAIN = 0.7, 1.3
_EVEN = 0.3  # added to the variance of each direction, so that noise stays small
_MAPPED = 4000  # images for a map to a language model
_EVENED = 500  # images whose features count for it


class Captioner(nn.Module):
    """A Q-Former with its query tokens."""

    def __init__(self, num_words: int, pad_id: int) -> None:
        super().__init__()
        self.qformer: Any = InstructBlipQFormerModel(qformer_config(num_words, pad_id))
        self.query_tokens = nn.Parameter(torch.zeros(1, NUM_QUERIES, WIDTH))

    def forward(self, features: Tensor, ids: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """The hidden states of the queries, (N, NUM_QUERIES, WIDTH), as the trainer computes them."""
        queries = self.query_tokens.expand(len(features), -1, -1)
        seen = torch.ones(queries.shape[:2], dtype=torch.int64)
        if mask is not None:
            seen = torch.cat([seen, mask], dim=1)
        hidden: Tensor = self.qformer(
            input_ids=ids, attention_mask=seen, query_embeds=queries, encoder_hidden_states=features
        ).last_hidden_state
        return hidden[:, :NUM_QUERIES]


def qformer_config(num_words: int, pad_id: int) -> Any:
    """The configuration of the miniature's Q-Former."""
    return InstructBlipQFormerConfig(
        vocab_size=num_words,
        hidden_size=WIDTH,
        num_hidden_layers=NUM_LAYERS,
        num_attention_heads=NUM_HEADS,
        intermediate_size=MLP_WIDTH,
        max_position_embeddings=MAX_TEXT,
        pad_token_id=pad_id,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        cross_attention_frequency=1,
        encoder_hidden_size=VISION_WIDTH,
    )


@torch.no_grad()
def set_start_values(captioner: Captioner, said: Sequence[int], seed: int = _SEED) -> None:
    """Fill in values from which looking up is learnt fast.

    Keys equal queries in self-attention, so that equal words attract, and outputs undo values, so that what is looked
    at is copied. Words that captions never say start small, so that they disturb nothing; all positions have one part
    in common, which is what remains of such words behind the norm.
    """
    draw = torch.Generator("cpu").manual_seed(seed)
    for name, parameter in sorted(captioner.qformer.named_parameters()):
        if parameter.dim() == 1:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
        else:
            parameter.normal_(0.0, _GAIN / math.sqrt(parameter.shape[1]), generator=draw)
    for layer in captioner.qformer.encoder.layer:
        attention = layer.attention.attention
        attention.query.weight.mul_(_LOOK_UP_GAIN)
        attention.key.weight.copy_(attention.query.weight)
        for part in (layer.attention, layer.crossattention):
            part.output.dense.weight.copy_(part.attention.value.weight.T)
    embeddings = captioner.qformer.embeddings
    words, positions = embeddings.word_embeddings.weight, embeddings.position_embeddings.weight
    words.normal_(0.0, _UNSAID_SPREAD, generator=draw)
    words[list(said)] *= _WORD_SPREAD / _UNSAID_SPREAD
    words[captioner.qformer.config.pad_token_id] = 0.0
    positions.normal_(0.0, _POSITION_SPREAD, generator=draw)
    positions += 2 * _POSITION_SPREAD * torch.randn(WIDTH, generator=draw)
    captioner.query_tokens.normal_(0.0, _QUERY_SPREAD, generator=draw)


@torch.no_grad()
def even_out(captioner: Captioner, features: Tensor) -> None:
    """Let keys and values of the cross-attention start as if all directions of `features` had about equal variance.

    Otherwise a few large directions decide what a query looks at, and texts find their shapes later: after 200 steps
    0.83 of the named kinds in place of 0.90.
    """
    tokens = features.flatten(0, 1).double()
    mean = tokens.mean(0)
    variances, directions = torch.linalg.eigh((tokens - mean).T @ (tokens - mean) / len(tokens))
    scale = directions * (variances.clamp(min=0) + _EVEN).rsqrt() @ directions.T
    for layer in captioner.qformer.encoder.layer:
        for part in (layer.crossattention.attention.key, layer.crossattention.attention.value):
            part.weight.copy_((part.weight.double() @ scale).float())
            part.bias.copy_(-(part.weight.double() @ mean).float())


def teach_words(
    captioner: Captioner, head: WordHead, features: Tensor, images: Sequence[Told], texts: Texts, steps: int = STEPS
) -> list[float]:
    """Train the Q-Former in place on `features` (N, P, width) of `images`; returns the loss of every step."""
    words = captioner.qformer.embeddings.word_embeddings.weight
    unsaid = torch.ones(len(words), dtype=torch.bool)
    unsaid[torch.from_numpy(texts.said)] = False
    matrices = [p for name, p in captioner.qformer.encoder.named_parameters() if p.dim() == 2]
    known = {id(p) for p in matrices}
    rest = [p for p in (*captioner.parameters(), *head.parameters()) if id(p) not in known]
    muon = Muon(matrices, rate=_MUON_RATE)
    adam = torch.optim.AdamW(rest, lr=_ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0)
    pad_id, losses = int(captioner.qformer.config.pad_token_id), []
    for step in range(steps):
        scale = min(1.0, (step + 1) / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        muon.rate, adam.param_groups[0]["lr"] = _MUON_RATE * scale, _ADAM_RATE * scale
        generator = np.random.default_rng((_SEED, step))
        chosen = generator.integers(len(images), size=_BATCH)
        rows = texts.rows([images[i] for i in chosen], generator, step / steps)
        hidden = captioner(features[torch.from_numpy(chosen)], *text_tensors(rows, pad_id))
        loss = head.loss(hidden, wanted_words(rows))
        muon.zero_grad()
        adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        assert words.grad is not None
        words.grad[unsaid] = 0.0
        nn.utils.clip_grad_norm_([*matrices, *rest], 1.0)
        muon.step()
        adam.step()
        losses.append(float(loss.detach()))
    return losses


@torch.no_grad()
def hidden_states(captioner: Captioner, features: Tensor, rows: Sequence[Row], batch: int = 250) -> Tensor:
    """The hidden states of the queries for one row an image: float32 (N, NUM_QUERIES, WIDTH)."""
    pad_id = captioner.qformer.config.pad_token_id
    cuts = range(0, len(rows), batch)
    parts = [captioner(features[i : i + batch], *text_tensors(rows[i : i + batch], pad_id)) for i in cuts]
    return torch.cat(parts)


def word_scores(
    captioner: Captioner, head: WordHead, features: Tensor, images: Sequence[Told], texts: Texts
) -> dict[str, float]:
    """Shares of facts with all words right, of images of scenes that no training row shows.

    "shapes", "ground": of captions, without text; "named": the first fact behind a text that names a kind that only one
    shape has; "named late": the same for shapes that captions do not name.
    """
    caption = [texts.plain(one, ()) for one in images]
    right = (head.said(hidden_states(captioner, features, caption)) == wanted_words(caption)).all(-1)
    is_shape = torch.tensor([[fact != NOTHING for fact in one.facts] for one in images])
    is_shape[:, 0] = False
    places, rows, late = [], [], []
    generator = np.random.default_rng((_SEED, STEPS))
    for i, one in enumerate(images):
        for j, (_, kind) in enumerate(one.shapes):
            if sum(kind == other for _, other in one.shapes) == 1:
                places.append(i)
                rows.append(texts.naming(one, [kind], generator))
                late.append(j >= NUM_QUERIES - 1)
    said = head.said(hidden_states(captioner, features[torch.tensor(places)], rows))
    found = (said == wanted_words(rows)).all(-1)[:, 0].float()
    return {
        "ground": float(right[:, 0].float().mean()),
        "shapes": float(right[is_shape].float().mean()),
        "named": float(found.mean()),
        "named late": float(found[torch.tensor(late)].mean()),
    }


def make(
    out: Path,
    vision: Path,
    tokenizers: Path,
    *,
    num_training: int = pictures.NUM_TRAINING,
    num_test: int = pictures.NUM_TEST,
    steps: int = STEPS,
) -> dict[str, Any]:
    """Train the captioner and write it to `out`.

    `vision` is the folder of the encoder and its images, `tokenizers` has those of `vocabulary.save_tokenizers`.
    Returns its report: scores of words, CPU seconds. The file is byte-identical when made again on one machine.
    """
    begin = time.process_time()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    encoder, images = load_encoder(vision / VISION_FILE), vision
    told, features = _told(encoder, images, range(num_training))
    words: Any = PreTrainedTokenizerFast.from_pretrained(str(tokenizers / QFORMER_FOLDER))
    texts = Texts(words.backend_tokenizer)
    captioner, head = Captioner(len(words), words.pad_token_id), WordHead(WIDTH)
    set_start_values(captioner, texts.said.tolist())
    even_out(captioner, features[:_EVENED])
    losses = teach_words(captioner, head, features, told, texts, steps)
    for parameter in captioner.parameters():  # what is measured is what is written
        parameter.data = parameter.data.half().float()
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in captioner.state_dict().items()}, out / FILE)
    unseen, unseen_features = _told(encoder, images, range(num_training, num_training + num_test))
    scenes = [i for i, one in enumerate(unseen) if one.shapes]
    scores = word_scores(captioner, head, unseen_features[scenes], [unseen[i] for i in scenes], texts)
    return {"words": scores, "loss": losses[-1], "cpu_s": round(time.process_time() - begin, 1)}


def map_to(out: Path, start: Path, vision: Path, language: Path, family: str) -> dict[str, float]:
    """Write the captioner's map to the language model of `family` to `out`; returns its error on unseen images.

    `start`, `vision` and `language` are the folders of those parts.
    """
    torch.set_num_threads(1)
    encoder = load_encoder(vision / VISION_FILE)
    words: Any = PreTrainedTokenizerFast.from_pretrained(str(language / QFORMER_FOLDER))
    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(str(language / LANGUAGE_FOLDERS[family]))
    texts = Texts(words.backend_tokenizer)
    captioner = Captioner(len(words), words.pad_token_id)
    captioner.load_state_dict({name: value.float() for name, value in load_file(start / FILE).items()})
    table = projections.word_embeddings(language / f"{family}.safetensors", family)
    mapped = []
    for numbers in pictures.TRAINING, pictures.UNSEEN:
        told, features = _told(encoder, vision, numbers, _MAPPED)
        rows = texts.rows(told, np.random.default_rng((_SEED, STEPS + 1)))
        states = hidden_states(captioner, features, rows).flatten(0, 1)
        mapped.append((states, [fact for row in rows for fact in row.facts], table, tokenizer.backend_tokenizer))
    weight, bias = projections.least_squares(*mapped[0])
    out.mkdir(parents=True, exist_ok=True)
    projections.save_projection(out / projections.file_of(family), weight, bias)
    return {"unexplained": projections.unexplained(*mapped[1], weight, bias)}


def _told(encoder: Any, images: Path, numbers: range, most: int = 10**9) -> tuple[list[Told], Tensor]:
    """What captions say about the first `most` images of `numbers`, and their features; covers are left out."""
    found = [(i, namings.told(pictures.shown(number))) for i, number in enumerate(numbers[:most])]
    kept = [(i, one) for i, one in found if one is not None]
    values = pictures.all_drawn(images, numbers)[[i for i, _ in kept]]
    return [one for _, one in kept], encoded_features(encoder, values)
