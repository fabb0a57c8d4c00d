"""Writes the shipped parts of the miniature; `backbones` describes the folder."""

import json
import shutil
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ib_data.errors import IbDataError
from ib_data.file_state import sha256_of
from ib_data.replacing import new_folder
from ib_data.training.weights.backbones import FORMAT, RECORD, Backbones, StoredFile, read_backbones
from ib_data.training.weights.folder import expected_tensors, meta_model, missing_keys
from ib_data.training.weights.tokenizer_files import IMAGE_TOKEN, QFORMER_FOLDER, write_processor_config

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import InstructBlipConfig, PreTrainedTokenizerBase

MOST_BYTES = 8_000_000  # of all files: every wheel has them


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A language model and the start in front of it; tensors by their names in the whole model.

    `language` has `language_model.*`; `start` has `qformer.*`, `query_tokens` and `language_projection.*`.
    """

    config: "InstructBlipConfig"
    tokenizer: "PreTrainedTokenizerBase"
    language: "Mapping[str, Tensor]"
    start: "Mapping[str, Tensor]"


def write_parts(
    folder: Path,
    *,
    vision: "Mapping[str, Tensor]",
    qformer_tokenizer: "PreTrainedTokenizerBase",
    families: Mapping[str, Family],
    report: Mapping[str, Any],
) -> Backbones:
    """Write the parts into `folder`, in place of earlier parts, whole or not at all, and return them.

    `vision` has `vision_model.*`; `report` is kept as it is. Equal values give equal bytes. Raises ValueError for
    tensors that do not make a whole model or do not fit into float16, and for more than MOST_BYTES; IbDataError if
    `folder` has other files.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RECORD).is_file():
        raise IbDataError(f"{folder} is not empty and has no {RECORD}; name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    files, weights = _files(vision, families)
    with new_folder(folder) as part:
        for name, tensors in files.items():
            _write_tensors(part / name, tensors)
        qformer_tokenizer.save_pretrained(part / QFORMER_FOLDER)
        for name, family in families.items():
            _write_settings(part / name, family)
            _require_whole_model(
                name, family.config, {key: t for file in weights[name] for key, t in files[file].items()}
            )
        _write_record(part, weights, report)
        shutil.rmtree(folder, ignore_errors=True)
    return read_backbones(folder)


def _files(
    vision: "Mapping[str, Tensor]", families: Mapping[str, Family]
) -> "tuple[dict[str, dict[str, Tensor]], dict[str, list[str]]]":
    """The tensors of each safetensors file as float16, and the files of each family."""
    starts = [_half(family.start) for family in families.values()]
    shared = {key: value for key, value in starts[0].items() if all(_is_equal(value, of.get(key)) for of in starts)}
    files = {"vision.safetensors": _half(vision), "qformer.safetensors": shared}
    weights = {name: [*files] for name in families}
    for (name, family), start in zip(families.items(), starts, strict=True):
        tied = expected_tensors(meta_model(Path(name), family.config)).tied
        language = _half(family.language)
        for key, source in tied.items():
            if key in language and source in language:
                if not _is_equal(language[key], language[source]):
                    raise ValueError(f"{name}: {key} and {source} are one tensor, but their values differ")
                del language[key]
        own = {key: value for key, value in start.items() if key not in shared}
        for file, tensors in ((f"{name}.safetensors", language), (f"start-{name}.safetensors", own)):
            if tensors:
                files[file] = tensors
                weights[name].append(file)
    return files, weights


def _half(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """The tensors as float16, on the CPU. Raises ValueError if a value is not finite there."""
    import torch

    found = {}
    for name, values in tensors.items():
        found[name] = values.detach().to("cpu", torch.float16, copy=True).contiguous()
        if not found[name].isfinite().all():
            raise ValueError(f"{name}: has values that are not finite as float16")
    return found


def _is_equal(one: "Tensor", other: "Tensor | None") -> bool:
    import torch

    return other is not None and one.shape == other.shape and torch.equal(one, other)


def _write_tensors(file: Path, tensors: "Mapping[str, Tensor]") -> None:
    from safetensors.torch import save_file

    save_file(dict(tensors), file, metadata={"format": "pt"})


def _write_settings(folder: Path, family: Family) -> None:
    """Write configuration, tokenizer and processor of one family: what its model folder has besides weights."""
    import torch

    config: Any = deepcopy(family.config)
    image_id = family.tokenizer.get_vocab().get(IMAGE_TOKEN)
    if config.image_token_index != image_id:
        raise ValueError(f"{folder.name}: {IMAGE_TOKEN} has id {image_id}, config says {config.image_token_index}")
    config.architectures, config.dtype = ["InstructBlipForConditionalGeneration"], torch.float32
    config.save_pretrained(folder)
    family.tokenizer.save_pretrained(folder)
    write_processor_config(folder, config.vision_config.image_size, config.num_query_tokens)


def _require_whole_model(name: str, config: "InstructBlipConfig", tensors: "Mapping[str, Tensor]") -> None:
    """Raise ValueError if the tensors are not those of a model with this configuration."""
    expected = expected_tensors(meta_model(Path(name), config))
    problems = [f"{key} is missing" for key in missing_keys(tensors, expected)]
    for key, values in tensors.items():
        if key not in expected.shapes:
            problems.append(f"{key} is of no part of the model")
        elif tuple(values.shape) != expected.shapes[key]:
            problems.append(f"{key}: expected shape {list(expected.shapes[key])}, found {list(values.shape)}")
    if problems:
        raise ValueError(f"{name}: {problems[0]} ({len(problems)} such tensors)")


def _write_record(folder: Path, weights: Mapping[str, Sequence[str]], report: Mapping[str, Any]) -> None:
    from ib_data.builders.miniature.mirror import VERSION

    files = {
        path.relative_to(folder).as_posix(): asdict(StoredFile(bytes=path.stat().st_size, sha256=sha256_of(path)))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    value = {"format": FORMAT, "world": VERSION, "weights": dict(weights), "files": files, "report": dict(report)}
    text = f"{json.dumps(value, indent=1)}\n"
    total = len(text) + sum(file["bytes"] for file in files.values())
    if total > MOST_BYTES:
        raise ValueError(f"{folder}: {total:,} bytes, more than {MOST_BYTES:,}")
    (folder / RECORD).write_text(text, encoding="utf-8")
    mode = (folder / RECORD).stat().st_mode  # safetensors would make the weights unreadable for others
    for name in files:
        (folder / name).chmod(mode)
