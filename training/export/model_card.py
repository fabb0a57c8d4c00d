"""The model card of an exported folder: metadata that the hub reads, and what a person must know before use."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ib_data.cards import Card, find_card
from ib_data.errors import UnknownNameError
from ib_data.mixtures.spec.mixture import Mixture
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.spec.weights import weights
from ib_data.training.config.train_config import FREE
from ib_data.training.loop.checkpoint import Checkpoint
from ib_data.training.loop.train_log import step_rows, validation_rows
from ib_data.training.weights.folder import ModelFolder

CARD = "README.md"
_NUM_STEPS = 100  # that a mean loss is over
_USE = """\
```python
import torch
from transformers import InstructBlipForConditionalGeneration, InstructBlipProcessor

processor = InstructBlipProcessor.from_pretrained(FOLDER)
model = InstructBlipForConditionalGeneration.from_pretrained(FOLDER, dtype=torch.float32)
inputs = processor(images=image, text=instruction, return_tensors="pt")
answer = model.generate(**inputs, max_new_tokens=30)
```

Without `dtype`, transformers loads every part in the type of the start folder: where that is half precision, the
Q-Former, which was trained in float32, is rounded too, and answers may change.

A clip of 4 frames goes through `InstructBlipVideoForConditionalGeneration`, loaded alike, with `pixel_values` of shape
(1, 4, 3, {px}, {px}) and {num} placeholders `<image>` before the instruction, {queries} for each frame.
"""


def model_card(name: str, checkpoint: Checkpoint, folder: ModelFolder, log: bytes) -> str:
    """The text of `README.md` for the model `name`; `log` holds the lines of `log.jsonl` up to the checkpoint."""
    config: Any = folder.config
    mixture = _mixture(checkpoint.config.mixture)
    members = [member.dataset for member in mixture.members] if mixture else []
    queries = config.num_query_tokens
    sections = [
        _metadata(checkpoint, members),
        f"# {name}",
        f"InstructBLIP (arXiv 2305.06500), tuned with `ib-data` for {checkpoint.step:,} steps of "
        f"{checkpoint.config.batch_size:,} annotations. Q-Former, query tokens and projection were trained; the vision "
        f"encoder and the language model ({config.text_config.model_type}) are those of {_start_name(checkpoint)} "
        f"(fingerprint `{checkpoint.fingerprint}`).",
        "## Use",
        _USE.format(px=config.vision_config.image_size, num=4 * queries, queries=queries).rstrip(),
        *_unaware(checkpoint),
        "## Licences",
        "The frozen parts keep the licence of the start; what was trained depends on the data below.",
        f"## Data: mixture `{_stem(checkpoint.config.mixture)}`",
        _data(mixture),
        "## Configuration",
        _configuration(checkpoint),
        "## Results",
        *_results(step_rows(log), validation_rows(log)),
    ]
    return "\n\n".join(sections) + "\n"


def _metadata(checkpoint: Checkpoint, members: Sequence[str]) -> str:
    """The YAML block of the hub. The licence is that of the data and the start, which differ by part."""
    values: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "license": "other",
        "license_name": "by-part",
        "license_link": CARD,
        "tags": ["instructblip", "ib-data"],
    }
    if _is_from_hub(checkpoint):
        values["base_model"] = checkpoint.config.model
    if members:
        values["datasets"] = list(dict.fromkeys(members))
    return f"---\n{yaml.safe_dump(values, sort_keys=False)}---"


def _unaware(checkpoint: Checkpoint) -> list[str]:
    if checkpoint.config.instruction_aware:
        return []
    return ["The Q-Former was trained without the instruction: call `model.qformer` with `input_ids=None`."]


def _data(mixture: Mixture | None) -> str:
    """A row for each member: what was seen of it, and under which licences."""
    if mixture is None:
        return "The specification of this mixture was not at hand when the model was exported."
    shares = weights(mixture)
    lines = ["| member | split | size | share | licence of the annotations | licence of the images |"]
    lines.append("|---|---|---|---|---|---|")
    for member in mixture.members:
        card = _card(member.dataset)
        licences = [card.licence_annotations, card.licence_images] if card else ["unknown", "unknown"]
        cells = [member.name, member.split, f"{member.size:,}", f"{shares[member.name]:.2%}", *licences]
        lines.append(f"| {' | '.join(' '.join(cell.split()).replace('|', '/') for cell in cells)} |")
    first = f"Rule `{mixture.rule}`. Shares are those at the first position; sizes are pinned, whatever was built."
    return "\n".join([first, "", *lines])


def _configuration(checkpoint: Checkpoint) -> str:
    """The keys that decide the result, as TOML."""
    own = {"model": _start_name(checkpoint), "mixture": _stem(checkpoint.config.mixture)}
    values = {**checkpoint.config.values(), **own}
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if key in own or key not in FREE]
    return "\n".join(["```toml", *lines, "```"])


def _results(steps: Sequence[Mapping[str, Any]], validations: Sequence[Mapping[str, Any]]) -> list[str]:
    """Mean losses at both ends of the run, and those of the last validation."""
    losses = [float(row["loss"]) for row in steps if row["loss"] is not None]
    if not losses:
        return ["No step was made."]
    count = min(_NUM_STEPS, len(losses))
    first, last = (sum(part) / count for part in (losses[:count], losses[-count:]))
    over = "step" if count == 1 else f"{count:,} steps"
    means = f"Mean loss of the target tokens: {first:.4f} over the first {over}, {last:.4f} over the last."
    return [means, *(_validation(row) for row in validations[-1:])]


def _validation(row: Mapping[str, Any]) -> str:
    """A table of the losses by dataset."""
    losses = {**row["validation"], "mean": row["validation_mean"]}
    cells = [(name, "not finite" if loss is None else f"{loss:.4f}") for name, loss in losses.items()]
    rows = [f"| {name.replace('|', '/')} | {text} |" for name, text in cells]
    first = f"Loss on the pinned part of each validation split after step {row['step']:,}:"
    return "\n".join([first, "", "| dataset | loss |", "|---|---|", *rows])


def _mixture(name: str) -> Mixture | None:
    try:
        return load_mixture(name)
    except UnknownNameError:
        return None


def _card(dataset: str) -> Card | None:
    try:
        return find_card(dataset)
    except UnknownNameError:
        return None


def _start_name(checkpoint: Checkpoint) -> str:
    """The start as the configuration names it; of a path only the last part, which says nothing of this machine."""
    name = checkpoint.config.model
    return name if _is_from_hub(checkpoint) else Path(name).name


def _is_from_hub(checkpoint: Checkpoint) -> bool:
    """Whether the start came from the hub: its folder is in the cache of huggingface_hub.

    The name does not tell: a relative path such as `starts/vicuna-7b` looks the same.
    """
    return f"models--{checkpoint.config.model.replace('/', '--')}" in checkpoint.start.parts


def _stem(mixture: str) -> str:
    return Path(mixture).stem
