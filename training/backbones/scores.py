"""Right answers of a language model by kind of exercise, behind true facts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

import torch
from torch import nn

from ib_data.builders.miniature.world.scene import KINDS
from ib_data.training.backbones.lessons import Lesson, target_logits
from ib_data.training.backbones.reading import Row
from ib_data.training.backbones.recitals import recital
from ib_data.training.backbones.texts import Item

_BATCH_ROWS = 128
OPEN_KINDS = ("question generation", "caption", "sign caption", "detail", "reasoning")  # several texts are right


@torch.no_grad()
def row_losses(lesson: Lesson, rows: Sequence[Row]) -> list[tuple[bool, float, int]]:
    """(whether greedy decoding says exactly the output, the sum of its losses, its length) of each row."""
    found: list[tuple[bool, float, int]] = [(False, 0.0, 0)] * len(rows)
    order = sorted(range(len(rows)), key=lambda i: rows[i].length)
    for start in range(0, len(order), _BATCH_ROWS):
        places = order[start : start + _BATCH_ROWS]
        batch = lesson.batch([rows[i] for i in places])
        logits = target_logits(lesson.model, batch, lesson.image_id, None, 0.0)
        losses = nn.functional.cross_entropy(logits, batch.targets, reduction="none")
        is_right = logits.argmax(-1) == batch.targets
        for k, place in enumerate(places):
            own = batch.rows_of == k
            found[place] = bool(is_right[own].all()), float(losses[own].sum()), int(own.sum())
    return found


def accuracy_by_kind(lesson: Lesson, items: Sequence[Item], most: int, seed: int = 0) -> dict[str, float]:
    """Share of right answers of each kind with decided answers, from up to `most` items each; and "all", their mean.

    An answer is right if greedy decoding says one of the right texts and ends.
    """
    chosen: dict[str, list[Item]] = defaultdict(list)
    rng = Random(seed)
    for item in rng.sample(list(items), len(items)):
        if item.kind not in OPEN_KINDS and len(chosen[item.kind]) < most:
            chosen[item.kind].append(item)
    rows: list[Row] = []
    owners: list[tuple[str, int]] = []
    for kind, group in chosen.items():
        for i, item in enumerate(group):
            state = rng.getstate()
            for right in dict.fromkeys((item.target, *item.right)):
                rng.setstate(state)
                rows.append(lesson.reader.item(item, rng, right))
                owners.append((kind, i))
    right_of: dict[str, set[int]] = {kind: set() for kind in chosen}
    for (kind, i), (is_right, _, _) in zip(owners, row_losses(lesson, rows), strict=True):
        if is_right:
            right_of[kind].add(i)
    found = {kind: len(right_of[kind]) / len(chosen[kind]) for kind in sorted(chosen)}
    every = sum(map(len, chosen.values()))
    return {**found, "all": sum(map(len, right_of.values())) / every}


def losses_by_dataset(lesson: Lesson, items: Sequence[Item], most: int) -> dict[str, float]:
    """Mean loss a token of the targets of each dataset behind true facts."""
    chosen: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if len(chosen[item.dataset]) < most:
            chosen[item.dataset].append(item)
    rng = Random(0)
    result = {}
    for dataset, group in sorted(chosen.items()):
        found = row_losses(lesson, [lesson.reader.item(item, rng) for item in group])
        result[dataset] = sum(loss for _, loss, _ in found) / sum(count for _, _, count in found)
    return result


def recital_accuracy(lesson: Lesson, count: int = 200, seed: int = 1) -> dict[str, float]:
    """Share of right value ids of lists, by heading."""
    rng, sums = Random(seed), defaultdict(list)
    made = [recital(rng, 0.0, 0.4) for _ in range(count)]
    rows = [lesson.reader.recital(one, rng) for one in made]
    with torch.no_grad():
        for one, row in zip(made, rows, strict=True):
            batch = lesson.batch([row])
            logits = target_logits(lesson.model, batch, lesson.image_id, None, 0.0)
            sums[one.heading].append(float((logits.argmax(-1) == batch.targets).float().mean()))
    return {heading: sum(values) / len(values) for heading, values in sorted(sums.items())}


@torch.no_grad()
def said(lesson: Lesson, row: Row, most: int = 64) -> str:
    """What greedy decoding says behind the prompt of a row."""
    eos = lesson.reader.eos_id
    output: list[int] = []
    while len(output) < most:
        whole = Row(row.slots, row.prompt, (*output, eos), (False,) * len(output) + (True,))
        logits = target_logits(lesson.model, lesson.batch([whole]), lesson.image_id, None, 0.0)
        output.append(int(logits[0].argmax()))
        if output[-1] == eos:
            break
    return str(lesson.reader.tokenizer.decode(output, skip_special_tokens=True))


def naming(lesson: Lesson, items: Sequence[Item], most: int = 40) -> dict[str, float]:
    """Shares of shapes: that a detailed description names among those it was told; that captions name truly.

    Captions are told what captions say and no more.
    """
    rng = Random(0)
    told, named, said_shapes, true = 0, 0, 0, 0
    for item in [item for item in items if item.kind == "detail"][:most]:
        text = said(lesson, lesson.reader.item(item, rng), 96)
        names = [" ".join(fact.split()[-2:]) for fact in item.facts[1:]]
        told += len(names)
        named += sum(name in text for name in names)
    for item in [item for item in items if item.kind == "caption"][::4][:most]:
        words = said(lesson, lesson.reader.item(replace(item, facts=item.brief), rng)).replace(",", "").split()
        names = [f"{colour} {kind.rstrip('.')}" for colour, kind in pairwise(words) if kind.rstrip(".") in KINDS]
        said_shapes += len(names)
        true += sum(name in item.brief for name in names)
    return {"details": named / max(1, told), "captions": true / max(1, said_shapes)}
