"""The configuration of a training run: a frozen dataclass, parsed strictly from TOML, with `key=value` overrides."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from ib_data.errors import DataError, IbDataError, UnknownNameError, did_you_mean, quoted
from ib_data.settings import settings_of
from ib_data.stored.urls import DEFAULT_CACHE_BYTES
from ib_data.stream_options import ImageOptions, StreamOptions
from ib_data.strict import MAX_TOML_BYTES, Table, parse_toml, read_text
from ib_data.templates.render_options import MAX_INSTRUCTION_TOKENS, MAX_TARGET_TOKENS

MODELS = ("tiny",)
PATCH_PX = 16
MAX_WORKERS = 256  # as for `ib-data stream`
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One training run. Defaults are the paper's where it has one (arXiv 2305.06500, section 2.6).

    `batch_size` counts annotations per step, or images with `annotations_per_image` above 1. The learning rate rises
    linearly over `warmup_steps` to `learning_rate`, then falls as a cosine to 0. Instructions keep their last
    `max_instruction_tokens`, targets their first `max_target_tokens`; both limits include special tokens.
    `text_steps`: pretraining steps on texts alone, for a tiny language model before it is frozen; 0 leaves it random.
    `available` leaves out members that are not built. `workers` is the number of loading processes (0: this one).
    `shards` is the URL of shards in an object store, of which `cache_gb` gigabytes are kept. With `strict`, members
    whose built size differs from the pinned size are an error. `cpu_threads` is torch's number of threads; 0 leaves it
    to torch. In files and on the command line, the options of `stream` and of its images are keys like all others. The
    paper does not say how it crops: `augment` "mild" is X-InstructBLIP's way.
    """

    mixture: str
    model: str = "tiny"
    steps: int = 60_000
    batch_size: int = 128
    learning_rate: float = 1e-5
    warmup_steps: int = 1000
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    seed: int = 0
    num_query_tokens: int = 32
    text_steps: int = 0
    max_instruction_tokens: int = MAX_INSTRUCTION_TOKENS
    max_target_tokens: int = MAX_TARGET_TOKENS
    save_every: int = 3000
    available: bool = False
    stream: StreamOptions = field(default_factory=lambda: StreamOptions(images=ImageOptions(augment="mild")))
    shards: str = ""
    cache_gb: int = DEFAULT_CACHE_BYTES // 10**9
    strict: bool = False
    workers: int = 0
    device: str = "auto"
    cpu_threads: int = 0

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


# Keys that may differ in a resumed run. None of them changes a loss (device and threads change only its last bits); the
# contents of the mixture's members and of the templates are compared by checksum.
FREE = (
    "save_every", "device", "workers", "cpu_threads", "shards", "cache_gb", "max_bad_share", "strict", "available",
    "templates",
)  # fmt: skip
# Keys that may only grow: the remaining steps then follow the longer schedule.
GROWING = ("steps",)
_STREAM_KEYS, _IMAGE_KEYS = settings_of(StreamOptions), settings_of(ImageOptions)
_KINDS: dict[str, Any] = {
    **{f.name: list if f.name == "betas" else f.type for f in fields(TrainConfig) if f.name != "stream"},
    **{key: str if found.kind is Path else found.kind for key, found in (_IMAGE_KEYS | _STREAM_KEYS).items()},
}
_AT_LEAST_ONE = (
    "steps", "batch_size", "num_query_tokens", "max_instruction_tokens", "max_target_tokens", "save_every",
)  # fmt: skip


def config_names() -> tuple[str, ...]:
    """The names of the packaged configurations, sorted."""
    folder = package_files("ib_data.training").joinpath("configs")
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


def load_config(name_or_path: str, overrides: Iterable[str] = ()) -> TrainConfig:
    """The configuration of a packaged name or a TOML file, with `key=value` overrides.

    Raises UnknownNameError for an unknown name, override key or file, and DataError for a fault in the file.
    """
    if name_or_path.endswith(".toml"):
        path = Path(name_or_path)
        if not path.exists():
            raise UnknownNameError(f"no configuration file {path}; packaged ones: {', '.join(config_names())}")
        text, name, file = read_text(path, MAX_TOML_BYTES), path.stem, str(path)
    elif name_or_path in config_names():
        packaged = package_files("ib_data.training").joinpath("configs", f"{name_or_path}.toml")
        text, name, file = packaged.read_text(encoding="utf-8"), name_or_path, f"training/configs/{name_or_path}.toml"
    else:
        known = did_you_mean(name_or_path, config_names())
        raise UnknownNameError(f"unknown configuration {name_or_path!r}; {known} (a path must end in .toml)")
    return parse_config(text, name, file, overrides)


def parse_config(text: str, name: str, file: str, overrides: Iterable[str] = ()) -> TrainConfig:
    """The configuration in a TOML text; see `load_config`."""
    try:
        values = parse_toml(text)
    except ValueError as error:
        raise DataError(name, str(error), file=file) from error
    config = config_of(Table.of(values, name, file), {})
    typed = dict(_override(override, name) for override in overrides)
    return config_of(Table.of(typed, name, "command line"), config.values()) if typed else config


def config_of(table: Table, base: Mapping[str, Any]) -> TrainConfig:
    """The configuration of `table` over the values in `base`. Raises DataError for an unknown key or invalid value."""
    table.only(_KINDS)
    given = {key: _value(table, key) for key in table.values}
    if "mixture" not in given and "mixture" not in base:
        raise table.error("key 'mixture' is missing (expected a text)", "name the mixture to train on")
    try:
        config = config_from({**base, **given})
    except IbDataError as error:  # from an option of the stream, which does not know the file
        raise table.error(str(error)) from error
    _check(config, table)
    return config


def config_from(values: Mapping[str, Any]) -> TrainConfig:
    """The configuration from values as `TrainConfig.values` gives them; absent keys have their defaults.

    Raises IbDataError for an invalid option of the stream or of its images.
    """
    default = TrainConfig(mixture="").stream
    assert default.images is not None
    images = replace(default.images, **{key: values[key] for key in _IMAGE_KEYS if key in values})
    stream = {key: values[key] for key in _STREAM_KEYS if key in values}
    if "templates" in stream:
        stream["templates"] = Path(stream["templates"]) if stream["templates"] else None
    own = {key: value for key, value in values.items() if key not in _STREAM_KEYS and key not in _IMAGE_KEYS}
    return TrainConfig(**own, stream=replace(default, images=images, **stream))


def _value(table: Table, key: str) -> Any:
    value: Any = table.get(key, _KINDS[key])
    if key != "betas":
        return value
    if len(value) != 2 or not all(isinstance(beta, float) and 0 <= beta < 1 for beta in value):
        raise table.error(f"'betas': expected two numbers from 0 to below 1, found {quoted(value)}")
    return tuple(value)


def _check(config: TrainConfig, table: Table) -> None:
    for key in _AT_LEAST_ONE:
        if getattr(config, key) < 1:
            raise table.error(f"{key!r}: expected at least 1, found {getattr(config, key)}")
    for key in ("text_steps", "cpu_threads", "workers", "cache_gb"):
        if getattr(config, key) < 0:
            raise table.error(f"{key!r}: expected at least 0, found {getattr(config, key)}")
    if config.workers > MAX_WORKERS:
        raise table.error(f"'workers': expected at most {MAX_WORKERS}, found {config.workers}")
    for key, known in (("model", MODELS), ("device", DEVICES)):
        if getattr(config, key) not in known:
            raise table.error(
                f"{key!r}: unknown value {getattr(config, key)!r}", did_you_mean(getattr(config, key), known)
            )
    if not 0 <= config.warmup_steps < config.steps:
        raise table.error(f"'warmup_steps': expected 0 to steps - 1 = {config.steps - 1}, found {config.warmup_steps}")
    if not (0 < config.learning_rate <= 1 and 0 <= config.weight_decay <= 1):
        raise table.error("'learning_rate' must be above 0 and at most 1, 'weight_decay' between 0 and 1")
    if config.images.image_px < PATCH_PX:
        raise table.error(f"'image_px': expected at least one patch of {PATCH_PX}, found {config.images.image_px}")


def _override(text: str, name: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise IbDataError(f"{name}: command line: expected key=value, found {quoted(text)}; known: {', '.join(_KINDS)}")
    if key not in _KINDS:
        raise UnknownNameError(f"{name}: command line: unknown key {key!r}; {did_you_mean(key, _KINDS)}")
    kind = _KINDS[key]
    try:
        if kind is list:
            return key, [float(item) for item in value.split(",")]
        return key, {"true": True, "false": False}[value] if kind is bool else kind(value)
    except (ValueError, KeyError):
        wanted = {int: "an integer", float: "a number", bool: "true or false", list: "two numbers such as 0.9,0.999"}
        raise IbDataError(f"{name}: command line: {key}: expected {wanted[kind]}, found {quoted(value)}") from None
