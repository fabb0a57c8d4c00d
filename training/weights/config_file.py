"""`config.json` of a model folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ib_data.errors import DataError, one_line, quoted
from ib_data.training.weights.headers import fault, read_json

if TYPE_CHECKING:
    from transformers import InstructBlipConfig

CONFIG = "config.json"
MODEL_TYPE = "instructblip"
PARTS = ("vision_config", "qformer_config", "text_config")
_MOST_BYTES = 2**20
_FULL = "name an InstructBLIP folder in the format of transformers"


def read_config(folder: Path) -> dict[str, Any]:
    """The values of `config.json` in a model folder of any architecture. Raises DataError if there is no such file."""
    if not (folder / CONFIG).exists() and any(folder.glob("step-*")):
        remedy = f"write it as a model first: `ib-data model export {folder} --out DIR`"
        raise fault(folder, f"expected {CONFIG}, found a run of ib-data", remedy)
    return read_json(folder / CONFIG, _MOST_BYTES)


def instructblip_config(folder: Path) -> "InstructBlipConfig":
    """The configuration of an InstructBLIP folder.

    Raises DataError for another architecture, for a missing part and for values that transformers refuses.
    """
    values = read_config(folder)
    _require_instructblip(folder, values)
    from huggingface_hub.errors import StrictDataclassError
    from transformers import InstructBlipConfig

    try:
        return InstructBlipConfig.from_dict(values)
    except (StrictDataclassError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise config_error(folder, error) from error


def config_error(folder: Path, error: Exception) -> DataError:
    """The error for a configuration that transformers refuses."""
    problem = f"transformers refuses it: {one_line(str(error), 200)}"
    return fault(folder / CONFIG, problem, "correct the value, or copy the file again")


def _require_instructblip(folder: Path, values: Mapping[str, Any]) -> None:
    found = values.get("model_type")
    if found != MODEL_TYPE:
        problem = f"expected model_type {MODEL_TYPE!r}, found {quoted(found)}"
        raise fault(folder / CONFIG, problem, _remedy(found, folder))
    for part in PARTS:
        if not isinstance(values.get(part), dict):  # transformers would silently take its defaults
            problem = f"expected a table {part!r}, found {quoted(values.get(part))}"
            raise fault(folder / CONFIG, problem, _FULL)


def _remedy(model_type: object, folder: Path) -> str:
    """What to do with a folder of another architecture."""
    if model_type == "blip-2":
        return f"add the text weights of stage 1 first: `ib-data model merge --blip2 {folder} --text DIR --out DIR`"
    if isinstance(model_type, str) and is_language_model(model_type):
        return f"it is a language model: `ib-data model new --language {folder} --vision DIR --out DIR` starts from it"
    return _FULL


def is_language_model(model_type: str) -> bool:
    """Whether transformers has a causal or an encoder-decoder language model of this type."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    )

    return model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or model_type in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
