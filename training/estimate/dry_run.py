"""What `ib-data train CONFIG --dry-run` reports.

Reads manifests and the model's config.json, measures this machine, and writes nothing.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ib_data.home import Home
from ib_data.mixtures.loader.ranks import world_and_rank
from ib_data.mixtures.spec.built_members import Source, require_known, sources
from ib_data.mixtures.spec.mixture import Mixture
from ib_data.mixtures.spec.overview import member_rows
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.spec.weights import drawn_names
from ib_data.training.config.train_config import TrainConfig
from ib_data.training.estimate.ceiling import matrix_ceiling
from ib_data.training.estimate.flops import Row, step_flops
from ib_data.training.estimate.memory import Memory, memory_of
from ib_data.training.estimate.parts import Parts, parts_of
from ib_data.training.estimate.shapes import config_of_model, folder_of_model, named_like
from ib_data.training.model.parts import frozen_dtype

# Tokens of a row where nothing was measured: a question or a caption prompt, and a short target.
TYPICAL_INSTRUCTION, TYPICAL_TARGET = 20, 15
# Share of the matrix ceiling that a whole step is taken to reach.
REACHED = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """The model of a run: where its sizes come from, how to get what is missing, and its parameters by part."""

    name: str
    sizes_from: str | None
    remedy: str | None
    parameters: dict[str, int]
    trained: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Estimates for this machine; `typical` and `longest` are the memory of a micro-batch, `hours` of all steps.

    `micro_batch` counts annotations; every image is taken to have `annotations_per_image`. `device_bytes` is the memory
    of the device; `flops` are of one step over all processes; `ceiling` is in FLOPs a second.
    """

    device: str
    world: int
    micro_batch: int
    annotations_per_image: int
    typical: Memory
    longest: Memory
    device_bytes: int
    flops: float
    ceiling: float
    hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """The whole report.

    `members` as `mixture show` has them; `missing`: the commands that build the rest; `problems`: settings with which
    the run would end before its first step.
    """

    config: dict[str, Any]
    model: ModelPlan
    cost: Cost | None
    positions: int
    members: list[dict[str, Any]]
    missing: list[str]
    problems: list[str]

    def to_plain(self) -> dict[str, Any]:
        """The report as JSON values."""
        plain = asdict(self)
        if self.cost:
            for name, memory in (("typical", self.cost.typical), ("longest", self.cost.longest)):
                plain["cost"][name]["total"] = memory.total
        return plain


def dry_run(config: TrainConfig, home: Home) -> DryRun:
    """The report for a configuration. Raises what reading the mixture and a model's config.json raises."""
    mixture = load_mixture(config.mixture)
    require_known(mixture)
    mixture = mixture.only(drawn_names(mixture))
    found = sources(home, mixture)
    missing = [] if config.shards else _missing(found)
    if config.available and (built := [name for name, source in found.items() if source.num_built]):
        mixture = mixture.only(set(built))
    shape = config_of_model(config.model, home)
    parts = parts_of(shape, instruction_aware=config.instruction_aware) if shape else None
    return DryRun(
        config=config.values(),
        model=_model(config.model, home, parts),
        cost=_cost(config, parts) if parts else None,
        positions=config.steps * config.batch_size,
        members=_members(config, mixture, found),
        missing=missing,
        problems=_problems(config, parts),
    )


def _problems(config: TrainConfig, parts: Parts | None) -> list[str]:
    found, (world, _) = [], world_and_rank()
    if config.batch_size % world:
        found.append(f"batch_size {config.batch_size} is not a multiple of {world} processes")
    wanted = parts.config.vision_config.image_size if parts else config.images.image_px
    if config.images.image_px != wanted:
        found.append(f"image_px is {config.images.image_px}, the vision encoder takes {wanted}; set image_px={wanted}")
    return found


def _model(model: str, home: Home, parts: Parts | None) -> ModelPlan:
    folder, like = folder_of_model(model, home), named_like(model)
    guessed = f"the shape of {like}, as the name says" if like else None
    return ModelPlan(
        name=model,
        sizes_from=str(folder) if folder else guessed,
        remedy=None if folder else _how_to_get(model),
        parameters=parts.parameters if parts else {},
        trained=parts.trained if parts else {},
    )


def _how_to_get(model: str) -> str:
    if re.fullmatch(r"[\w-]+/[\w.-]+", model):
        return f"not downloaded yet: the run downloads it when it starts, or you do by `hf download {model}`"
    return "no such folder: make it with `ib-data model merge` or `ib-data model new`, as in docs/reproduce.md"


def _members(config: TrainConfig, mixture: Mixture, found: Mapping[str, Source]) -> list[dict[str, Any]]:
    """A row for each member: weight, positions, epochs (None where they depend on what is not built), pinned, built."""
    rows = []
    for row in member_rows(mixture, {name: found[name] for name in mixture.names}, config.steps * config.batch_size):
        source, epochs = found[row["member"]], row["epochs"]
        if config.stream.annotations_per_image > 1:  # a position is an image, and the spec pins annotations
            epochs = row["samples"] / source.built.manifest.num_samples if source.built else None
        kept = {"member": row["member"], "weight": row["weight"], "positions": row["samples"], "epochs": epochs}
        rows.append({**kept, "pinned": row["size"], "built": row["built"]})
    return rows


def _missing(found: Mapping[str, Source]) -> list[str]:
    """The commands that build what is not built."""
    usual: dict[str, None] = {}
    others: dict[str, None] = {}
    for source in found.values():
        card = source.card
        if card is None or source.num_built:
            continue
        if source.member.split == card.used_split:
            usual[card.stored_as] = None
        else:
            others[f"ib-data build {card.stored_as} --split {source.member.split}"] = None
    return [*([f"ib-data build {' '.join(usual)}"] if usual else []), *others]


def _cost(config: TrainConfig, parts: Parts) -> Cost:
    world, _ = world_and_rank()
    has_cuda = torch.cuda.is_available() and config.device != "cpu"
    device = torch.device("cuda" if has_cuda else "cpu")
    dtype = frozen_dtype(config.precision, device)
    share = -(-config.batch_size // world)
    micro = min(config.micro_batch_size or share, share) * config.stream.annotations_per_image
    images = micro // config.stream.annotations_per_image
    typical, longest = (
        memory_of(
            parts,
            rows,
            half=dtype == torch.bfloat16,
            num_images=images,
            language_shards=world if config.shard_language_model else 1,
        )
        for rows in (_rows(config, micro), _rows(config, micro, at_limit=True))
    )
    positions = config.batch_size
    rows = _rows(config, positions * config.stream.annotations_per_image)
    flops = step_flops(parts, rows, num_images=positions).total
    ceiling = matrix_ceiling(device, dtype)
    return Cost(
        device=torch.cuda.get_device_name() if has_cuda else "cpu",
        world=world,
        micro_batch=micro,
        annotations_per_image=config.stream.annotations_per_image,
        typical=typical,
        longest=longest,
        device_bytes=_device_bytes(device),
        flops=flops,
        ceiling=ceiling,
        hours=config.steps * flops / (world * ceiling * REACHED) / 3600,
    )


def _rows(config: TrainConfig, count: int, *, at_limit: bool = False) -> Sequence[Row]:
    """Rows of typical length, or all as long as the configuration allows."""
    limits = config.max_instruction_tokens, config.max_target_tokens
    usual = (min(length, limit) for length, limit in zip((TYPICAL_INSTRUCTION, TYPICAL_TARGET), limits, strict=True))
    instruction, target = limits if at_limit else usual
    qformer = instruction if config.instruction_aware else 0
    return [Row(instruction=instruction, target=target, qformer=qformer)] * count


def _device_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
