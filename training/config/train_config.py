"""The keys of a training run: a frozen dataclass that declares the range of each key once."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ib_data.errors import IbDataError, quoted
from ib_data.settings import Setting, check_settings, setting, settings_of
from ib_data.stored.urls import DEFAULT_CACHE_BYTES
from ib_data.stream_options import ImageOptions, StreamOptions
from ib_data.templates.render_options import MAX_INSTRUCTION_TOKENS, MAX_TARGET_TOKENS

MAX_WORKERS = 256  # as for `ib-data stream`
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One training run. Defaults are the paper's where it has one (arXiv 2305.06500, section 2.6).

    `mixture` is a packaged mixture, a dataset or a spec file; `model` is a folder in the format of transformers, a hub
    id, or a start that ib-data ships: "miniature", "miniature-t5". Both are required. `batch_size` counts positions of
    all processes together: annotations, or images with `annotations_per_image` above 1. The learning rate rises
    linearly over `warmup_steps` to `learning_rate`, then falls as a cosine to 0. Instructions keep their last
    `max_instruction_tokens`, targets their first `max_target_tokens`; both limits include special tokens.

    In files and on the command line, the options of `stream` and of its images are keys like all others. The paper
    does not say how it crops: `augment` "mild" is X-InstructBLIP's way. Raises IbDataError that names the first key
    whose value is not allowed.
    """

    mixture: str
    model: str
    instruction_aware: bool = setting(True, "The Q-Former reads the instruction; false: it sees the image alone.")
    bos_token: str = setting("", "First token of a prompt; empty: the tokenizer's own. Vicuna v1.1: '</s>'.")
    activation: str = setting("", "Activation of the language model; empty: the model folder's. FlanT5: 'gelu'.")
    steps: int = setting(60_000, "Optimiser steps.", least=1)
    batch_size: int = setting(128, "Positions of a step, over all processes.", least=1)
    micro_batch_size: int = setting(
        0, "Positions of a process per forward and backward; 0: all of its positions of a step at once.", least=0
    )
    group_by_length: bool = setting(
        False, "Order the positions of a step by length before they are cut into micro-batches."
    )
    learning_rate: float = setting(1e-5, "Peak learning rate.", least=1e-12, most=1)
    warmup_steps: int = setting(1000, "Steps until the peak learning rate.", least=0)
    weight_decay: float = setting(0.05, "AdamW's weight decay, not on biases and norms.", least=0, most=1)
    betas: tuple[float, float] = (0.9, 0.999)
    seed: int = setting(0, "Seed of the stream and of dropout.")
    max_instruction_tokens: int = setting(MAX_INSTRUCTION_TOKENS, "Tokens kept of an instruction.", least=1)
    max_target_tokens: int = setting(MAX_TARGET_TOKENS, "Tokens kept of a target.", least=1)
    precision: str = setting(
        "auto",
        "auto: on CUDA bfloat16 frozen parts and autocast, on the CPU float32; or one of the two everywhere.",
        choices=PRECISIONS,
    )
    compile: bool = setting(False, "Compile the model with torch.compile.")
    shard_language_model: bool = setting(False, "Split the frozen language model over the processes (FSDP2).")
    save_every: int = setting(3000, "Steps between checkpoints.", least=1)
    keep: int = setting(2, "Checkpoints to keep besides the best and the last.", least=0)
    validate_every: int = setting(3000, "Steps between validations; 0: never.", least=0)
    validation_samples: int = setting(500, "Annotations per dataset in a validation, always the same.", least=1)
    # Off by default: beams of 5 for hundreds of questions take minutes with a 7B model, a validation takes seconds.
    score_every: int = setting(0, "Steps between scorings by the datasets' own metrics; 0: never.", least=0)
    scoring_samples: int = setting(100, "Cases per dataset in a scoring, always the same.", least=1)
    tensorboard: bool = setting(True, "Write TensorBoard logs where the package is installed.")
    available: bool = setting(False, "Leave out members that are not built.")
    strict: bool = setting(False, "A member whose built size differs from the pinned size is an error.")
    stream: StreamOptions = field(default_factory=lambda: StreamOptions(images=ImageOptions(augment="mild")))
    shards: str = setting("", "URL of shards in an object store; empty: the splits built here.")
    cache_gb: int = setting(DEFAULT_CACHE_BYTES // 10**9, "Gigabytes of remote shards to keep on disk.", least=0)
    feature_cache_gb: int = setting(0, "Gigabytes of vision features to keep on disk; 0: no cache.", least=0)
    workers: int = setting(0, "Loading processes; 0: the training process loads.", least=0, most=MAX_WORKERS)
    device: str = setting("auto", "Where to train.", choices=DEVICES)
    cpu_threads: int = setting(0, "torch's threads; 0: torch decides.", least=0)

    def __post_init__(self) -> None:
        check_settings(self)
        if len(self.betas) != 2 or not all(isinstance(beta, float) and 0 <= beta < 1 for beta in self.betas):
            raise IbDataError(f"betas: expected two numbers from 0 to below 1, found {quoted(list(self.betas))}")
        if self.warmup_steps >= self.steps:
            raise IbDataError(f"warmup_steps: expected 0 to steps - 1 = {self.steps - 1}, found {self.warmup_steps}")

    @property
    def images(self) -> ImageOptions:
        """How images become pixels."""
        assert self.stream.images is not None
        return self.stream.images

    def values(self) -> dict[str, Any]:
        """All keys with plain values, as in a file, including those of the stream and of its images."""
        own = {key: value for key, value in asdict(self).items() if key != "stream"}
        images = {key: getattr(self.images, key) for key in _IMAGE_KEYS}
        stream = {key: getattr(self.stream, key) for key in _STREAM_KEYS}
        folder = self.stream.templates
        return {**own, **images, **stream, "templates": "" if folder is None else str(folder)}


REQUIRED = ("mixture", "model")
# Keys that may differ in a resumed run. None of them changes a loss, but for those of the second line: which units
# dropout leaves out, and the last bits. The values of the model, and the contents of the mixture's members and of the
# templates, are compared by checksum.
FREE = (
    "model", "templates", "shards", "cache_gb", "feature_cache_gb", "workers", "strict", "available", "max_bad_share",
    "device", "cpu_threads", "micro_batch_size", "group_by_length", "compile", "shard_language_model",
    "save_every", "keep", "validate_every", "validation_samples", "score_every", "scoring_samples",
    "tensorboard",
)  # fmt: skip
# Keys that may only grow: the remaining steps then follow the longer schedule.
GROWING = ("steps",)
_STREAM_KEYS, _IMAGE_KEYS = settings_of(StreamOptions), settings_of(ImageOptions)
# Every key that has a range or choices, whichever of the three dataclasses declares it.
SETTINGS: Mapping[str, Setting] = {**settings_of(TrainConfig), **_STREAM_KEYS, **_IMAGE_KEYS}
# The type of every key in a file.
KINDS: Mapping[str, Any] = {
    **{f.name: list if f.name == "betas" else f.type for f in fields(TrainConfig) if f.name != "stream"},
    **{key: str if found.kind is Path else found.kind for key, found in (_IMAGE_KEYS | _STREAM_KEYS).items()},
}


def config_from(values: Mapping[str, Any]) -> TrainConfig:
    """The configuration from values as `TrainConfig.values` gives them; absent keys have their defaults.

    Raises IbDataError for a value that is not allowed.
    """
    images = ImageOptions(**{"augment": "mild", **{key: values[key] for key in _IMAGE_KEYS if key in values}})
    stream = {key: values[key] for key in _STREAM_KEYS if key in values}
    if "templates" in stream:
        stream["templates"] = Path(stream["templates"]) if stream["templates"] else None
    own = {key: value for key, value in values.items() if key not in _STREAM_KEYS and key not in _IMAGE_KEYS}
    return TrainConfig(**own, stream=StreamOptions(images=images, **stream))
