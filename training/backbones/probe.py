"""What a fresh Q-Former reads from frozen vision features, where it is told the answers.

The first nine queries are asked what each cell holds, the next six about the shapes in the order of captions, with
their places, and the last one for counts.
"""

import math
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import InstructBlipQFormerConfig, InstructBlipQFormerModel

from ib_data.mixtures.loader.torch_defaults import float32_on_cpu
from ib_data.training.backbones.labels import CELL, IGNORED, NUM_CELLS, WHOLE, Labels
from ib_data.training.backbones.muon import Muon

STEPS, BATCH = 600, 64
_SEED = 1
_MUON_RATE, _ADAM_RATE, _WARM_UP = 0.02, 2e-3, 50
_NUM_ORDERED = CELL["order"] - 1
_NUM_QUERIES = NUM_CELLS + _NUM_ORDERED + 1
_READ = {name: CELL[name] for name in ("kind", "colour", "size")}
_ORDERED = {**_READ, "place": NUM_CELLS}
_COUNTS = {name: size for name, size in WHOLE.items() if name.startswith("count ")}


class Probe(nn.Module):
    """A Q-Former of the miniature's shape with learned queries and a linear head for each of the three questions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        config: Any = InstructBlipQFormerConfig(
            vocab_size=1,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=3,
            num_attention_heads=4,
            cross_attention_frequency=1,
            encoder_hidden_size=width,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        self.qformer: Any = InstructBlipQFormerModel(config)
        self.queries = nn.Parameter(torch.empty(1, _NUM_QUERIES, width))
        self.heads = nn.ModuleList([nn.Linear(width, sum(part.values())) for part in (_READ, _ORDERED, _COUNTS)])

    def forward(self, tokens: Tensor) -> list[dict[str, Tensor]]:
        """Logits by label, from features (N, 37, width): (N, 9, classes), (N, 6, classes), and (N, 1, classes)."""
        queries = self.queries.expand(len(tokens), -1, -1)
        read = self.qformer(input_ids=None, query_embeds=queries, encoder_hidden_states=tokens).last_hidden_state
        parts = read.split([NUM_CELLS, _NUM_ORDERED, 1], 1)
        return [
            dict(zip(spec, head(part).split(list(spec.values()), -1), strict=True))
            for spec, head, part in zip((_READ, _ORDERED, _COUNTS), self.heads, parts, strict=True)
        ]


def probe(
    training: tuple[Tensor, Labels, Labels],
    test: tuple[Tensor, Labels, Labels],
    *,
    steps: int = STEPS,
    batch: int = BATCH,
) -> dict[str, float]:
    """Shares of right answers on `test`, by label, of a Q-Former taught on `training`; "seconds" are of the CPU.

    Each side is (features (N, 37, width), labels of cells, labels of whole images). "cell ..." is what queries with a
    fixed cell read of the shapes that are there, "shape ..." what queries with a fixed number read.
    """
    start = time.process_time()
    with float32_on_cpu(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        model = Probe(training[0].shape[-1])
        _fill(model)
        _train(model, training[0], _targets(*training[1:]), steps, batch)
        found = _accuracies(model, test[0], _targets(*test[1:]))
    return found | {"seconds": round(time.process_time() - start, 1)}


def _fill(model: Probe) -> None:
    for parameter in model.parameters():
        if parameter.dim() == 2:
            nn.init.normal_(parameter, std=0.7 / math.sqrt(parameter.shape[1]))
    nn.init.normal_(model.queries, std=0.5)


def _targets(cells: Labels, whole: Labels) -> list[dict[str, Tensor]]:
    """The labels of each group of queries, as the logits of `Probe`."""
    order = cells["order"]
    ordered = {name: np.full((len(order), _NUM_ORDERED), IGNORED) for name in _ORDERED}
    rows, places = np.nonzero(order > 0)
    for name in _READ:
        ordered[name][rows, order[rows, places] - 1] = cells[name][rows, places]
    ordered["place"][rows, order[rows, places] - 1] = places
    by_cell = {name: cells[name] for name in _READ}
    counts = {name: whole[name][:, None] for name in _COUNTS}
    return [{k: torch.from_numpy(v) for k, v in part.items()} for part in (by_cell, ordered, counts)]


def _train(model: Probe, tokens: Tensor, targets: list[dict[str, Tensor]], steps: int, batch: int) -> None:
    inner = list(model.qformer.encoder.parameters())
    muon = Muon([p for p in inner if p.dim() == 2], rate=0.0)
    others = [p for p in model.parameters() if p.dim() != 2 or all(p is not q for q in inner)]
    adam = torch.optim.AdamW(others, lr=0.0, betas=(0.9, 0.98), weight_decay=0.0)
    generator = torch.Generator("cpu").manual_seed(_SEED)
    for step in range(steps):
        factor = min(1.0, (step + 1) / _WARM_UP) * (1 + math.cos(math.pi * step / steps)) / 2
        muon.rate, adam.param_groups[0]["lr"] = _MUON_RATE * factor, _ADAM_RATE * factor
        chosen = torch.randint(len(tokens), (batch,), generator=generator)
        loss = torch.zeros(())
        for logits, wanted in zip(model(tokens[chosen]), targets, strict=True):
            for name, values in logits.items():
                right = wanted[name][chosen].flatten()
                loss = loss + nn.functional.cross_entropy(values.flatten(0, 1), right, ignore_index=IGNORED)
        muon.zero_grad()
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        muon.step()
        adam.step()


@torch.no_grad()
def _accuracies(model: Probe, tokens: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, float]:
    read = [model(part) for part in torch.split(tokens, 250)]
    found = {}
    for group, (prefix, wanted) in enumerate(zip(("cell ", "shape ", ""), targets, strict=True)):
        is_right = {name: torch.cat([part[group][name] for part in read]).argmax(-1) == wanted[name] for name in wanted}
        for name, right in is_right.items():
            there = wanted[name] > 0 if prefix == "cell " else wanted[name] >= 0
            found[prefix + name] = round(right[there].double().mean().item(), 4)
        if prefix == "shape ":
            whole = torch.stack(list(is_right.values())).all(0)
            found["shape, all"] = round(whole[wanted["place"] >= 0].double().mean().item(), 4)
    return found
