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
from ib_data.training.weights.folder import ModelFolder

CARD = "README.md"
_NUM_STEPS = 100  # that a mean loss is over
_USE = """\
```python
from transformers import InstructBlipForConditionalGeneration, InstructBlipProcessor

processor = InstructBlipProcessor.from_pretrained(FOLDER)
model = InstructBlipForConditionalGeneration.from_pretrained(FOLDER)
inputs = processor(images=image, text=instruction, return_tensors="pt")
answer = model.generate(**inputs, max_new_tokens=30)
```

A clip of 4 frames goes through `InstructBlipVideoForConditionalGeneration.from_pretrained(FOLDER)` with `pixel_values`
of shape (1, 4, 3, {px}, {px}) and {num} placeholders `<image>` before the instruction, {queries} for each frame.
"""


def model_card(name: str, checkpoint: Checkpoint, folder: ModelFolder, log: Sequence[Mapping[str, Any]]) -> str:
    """The text of `README.md` for the model `name`."""
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
        _results(log),
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
    if _is_hub_id(checkpoint.config.model):
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


def _results(log: Sequence[Mapping[str, Any]]) -> str:
    """Mean losses at both ends of the run."""
    if not log:
        return "No step was made."
    count = min(_NUM_STEPS, len(log))
    first, last = (sum(float(row["loss"]) for row in rows) / count for rows in (log[:count], log[-count:]))
    steps = "step" if count == 1 else f"{count:,} steps"
    return f"Mean loss of the target tokens: {first:.4f} over the first {steps}, {last:.4f} over the last."


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
    return name if _is_hub_id(name) else Path(name).name


def _is_hub_id(name: str) -> bool:
    return name.count("/") == 1 and not name.startswith((".", "~", "/")) and not Path(name).exists()


def _stem(mixture: str) -> str:
    return Path(mixture).stem
