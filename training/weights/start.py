"""Write a complete InstructBLIP start folder from a plan: weights, configuration, tokenizers, report."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ib_data.errors import IbDataError
from ib_data.replacing import new_folder
from ib_data.training.weights.config_file import config_error
from ib_data.training.weights.folder import expected_tensors, meta_model, missing_keys, require_model_folder
from ib_data.training.weights.headers import fault
from ib_data.training.weights.plan import Entry, Plan
from ib_data.training.weights.sources import Source
from ib_data.training.weights.tokenizer_files import IMAGE_TOKEN, write_tokenizers
from ib_data.training.weights.writing import copied, write_weights

if TYPE_CHECKING:
    from transformers import InstructBlipConfig, PreTrainedConfig, PreTrainedTokenizerBase

REPORT = "merge.json"
_OWN = (
    "model_type", "transformers_version", "architectures", "_name_or_path", "dtype", "torch_dtype",
    "use_qformer_text_input",  # of BLIP-2 only
)  # fmt: skip
LANGUAGE = "language_model."


def require_free(out: Path) -> None:
    """Raise IbDataError if `out` is a file or a folder with anything in it."""
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise IbDataError(f"{out} is not empty; choose another --out")


def copy_generation_config(source: Path, out: Path) -> None:
    """Copy the generation settings of the folder `source`, if it has any, into `out`."""
    name = "generation_config.json"
    if (source / name).is_file():
        shutil.copyfile(source / name, out / name)


def part_values(config: "PreTrainedConfig") -> dict[str, Any]:
    """The sizes of a vision encoder or a Q-Former, without what belongs to its class."""
    return {name: value for name, value in config.to_dict().items() if name not in _OWN}


def start_config(
    where: Path,
    *,
    vision: Mapping[str, Any],
    qformer: Mapping[str, Any],
    language: "PreTrainedConfig",
    tokenizer: "PreTrainedTokenizerBase",
    num_query_tokens: int,
    dtype: Any,
) -> "InstructBlipConfig":
    """The configuration of a start folder, with room in the vocabulary for every token of `tokenizer`.

    Raises DataError, naming the folder `where`, if transformers refuses the values.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import InstructBlipConfig

    text = language.to_dict()
    try:
        text["vocab_size"] = max(text["vocab_size"], len(tokenizer))
        return InstructBlipConfig(
            vision_config=dict(vision),
            qformer_config=dict(qformer),
            text_config=text,
            num_query_tokens=num_query_tokens,
            image_token_index=int(tokenizer.get_vocab()[IMAGE_TOKEN]),
            architectures=["InstructBlipForConditionalGeneration"],
            dtype=dtype,
        )
    except (StrictDataclassError, ValueError, TypeError, KeyError) as error:
        raise config_error(where, error) from error


def fill(plan: Plan, config: "InstructBlipConfig", where: Path, place: Callable[[str, tuple[int, ...]], bool]) -> None:
    """Call `place(name, shape)` for every tensor of the model; it returns whether it added the tensor to `plan`.

    Raises DataError, naming the folder `where`, if one is not placed nor tied to one that is.
    """
    expected = expected_tensors(meta_model(where, config))
    found = {name for name, shape in expected.shapes.items() if place(name, shape)}
    if missing := missing_keys(found, expected):
        problem = f"{len(missing):,} of {len(expected.shapes):,} tensors are in no source; the first is {missing[0]}"
        raise fault(where, problem, "copy or download the folder again")


def take_language_model(plan: Plan, source: Source, key: str, name: str, shape: tuple[int, ...]) -> bool:
    """Take the tensor `key` of a language model, with rows added for new tokens. Returns whether `source` has it."""
    merged = [stored for stored, model_name in source.converted.items() if model_name == key]
    for stored in merged:  # what transformers converts when it loads is copied as it is
        tensor = source.tensors[stored]
        target = name.removesuffix(key) + stored
        plan.entries[target] = Entry(kind="taken", piece=copied(tensor), source=f"{source.option} {stored}")
    if key in source.tensors:
        plan.take(name, source, key, shape, rows="mean")
    return bool(merged) or key in source.tensors


def write_start(
    out: Path,
    plan: Plan,
    config: "InstructBlipConfig",
    *,
    language_tokenizer: "PreTrainedTokenizerBase",
    qformer_tokenizer: "PreTrainedTokenizerBase",
    language: Path,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Write the folder `out` whole or not at all, check it, and return the report, which is also in `merge.json`.

    `language` is the folder whose generation settings are kept; `about` begins the report.
    """
    vision: Any = config.vision_config
    report = {**about, "num_query_tokens": config.num_query_tokens, "image_token_index": config.image_token_index}
    report |= plan.report()
    out.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(out) as part:
        write_tokenizers(part, language_tokenizer, qformer_tokenizer, vision.image_size, config.num_query_tokens)
        config.save_pretrained(part)
        copy_generation_config(language, part)
        write_weights(part, plan.pieces())
        (part / REPORT).write_text(f"{json.dumps(report, indent=1)}\n", encoding="utf-8")
        require_model_folder(part)
    return report
