"""Folders that a start folder is made of: BLIP-2 of stage 2 or stage 1, InstructBLIP, BERT, language models."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ib_data.errors import DataError, quoted
from ib_data.training.weights.config_file import CONFIG, MODEL_TYPE, config_error, is_language_model, read_config
from ib_data.training.weights.folder import model_names, require_model_folder
from ib_data.training.weights.headers import StoredTensor, fault, stored_tensors

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

BLIP2, BERT = "blip-2", "bert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A folder that weights are taken from, given by `option` on the command line.

    `tensors` are by the names of the model. Those in `converted` keep their stored names, because several of them
    become one tensor, the value here, when the model is loaded.
    """

    option: str
    path: Path
    config: "PreTrainedConfig"
    tensors: Mapping[str, StoredTensor]
    converted: Mapping[str, str]

    @property
    def has_language_model(self) -> bool:
        """Whether a vision-language folder has a language model; a stage-1 folder has none."""
        return any(name.startswith("language_model.") for name in self.tensors)

    @property
    def has_text(self) -> bool:
        """Whether its Q-Former, or BERT, reads text."""
        return any(name.endswith("embeddings.word_embeddings.weight") for name in self.tensors)


def vision_language_source(option: str, path: Path) -> Source:
    """A BLIP-2 or an InstructBLIP folder. Raises DataError for any other architecture."""
    model_type = read_config(path).get("model_type")
    if model_type == MODEL_TYPE:
        folder = require_model_folder(path)
        return Source(option=option, path=path, config=folder.config, tensors=folder.tensors, converted={})
    if model_type != BLIP2:
        raise _wrong(option, path, model_type, "a BLIP-2 or InstructBLIP folder")
    stored = stored_tensors(path)
    from transformers import Blip2ForConditionalGeneration, Blip2ForImageTextRetrieval

    is_stage_1 = any(name.startswith("itm_head.") for name in stored)
    return _opened(option, path, Blip2ForImageTextRetrieval if is_stage_1 else Blip2ForConditionalGeneration, stored)


def text_source(option: str, path: Path) -> Source:
    """A folder with the text weights of a Q-Former: stage 1 of BLIP-2, InstructBLIP, or a BERT.

    Raises DataError for any other architecture, and for a BLIP-2 folder of stage 2, which has none.
    """
    model_type = read_config(path).get("model_type")
    if model_type == BERT:
        from transformers import BertModel

        source = _opened(option, path, BertModel, stored_tensors(path))
    elif model_type in (BLIP2, MODEL_TYPE):
        source = vision_language_source(option, path)
    else:
        raise _wrong(option, path, model_type, "stage 1 of BLIP-2 (image-text retrieval), InstructBLIP, or BERT")
    if not source.has_text:
        problem = "expected the text weights of a Q-Former, found a folder without"
        remedy = f"name a stage-1 folder for {option}: Blip2ForImageTextRetrieval with use_qformer_text_input"
        raise fault(path, problem, remedy)
    return source


def language_source(option: str, path: Path) -> Source:
    """The folder of a causal or an encoder-decoder language model. Raises DataError for any other architecture."""
    model_type = read_config(path).get("model_type")
    if not isinstance(model_type, str) or not is_language_model(model_type):
        raise _wrong(option, path, model_type, "a causal or an encoder-decoder language model")
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    is_causal = model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES  # as InstructBlipConfig decides
    return _opened(option, path, AutoModelForCausalLM if is_causal else AutoModelForSeq2SeqLM, stored_tensors(path))


def _wrong(option: str, path: Path, found: object, expected: str) -> DataError:
    problem = f"expected {expected}, found model_type {quoted(found)}"
    return fault(path / CONFIG, problem, f"name another folder for {option}")


def _opened(option: str, path: Path, model_class: Any, stored: Mapping[str, StoredTensor]) -> Source:
    """A folder of the given class, its tensors by the names of that class."""
    model = _meta(path, model_class)
    tensors: dict[str, StoredTensor] = {}
    converted: dict[str, str] = {}
    for stored_name, (name, is_converted) in model_names(model, stored).items():
        if is_converted:
            converted[stored_name] = name
        tensors[stored_name if is_converted else name] = stored[stored_name]
    return Source(option=option, path=path, config=model.config, tensors=tensors, converted=converted)


def _meta(path: Path, model_class: Any) -> "PreTrainedModel":
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(path, local_files_only=True)
        make = getattr(model_class, "from_config", None) or model_class
        with torch.device("meta"):
            model: PreTrainedModel = make(config)
    except (StrictDataclassError, OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise config_error(path, error) from error
    return model
