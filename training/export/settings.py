"""Configuration, tokenizers and processor of an exported folder: plain transformers must do what the run did."""

import shutil
from pathlib import Path
from typing import Any

from ib_data.training.weights.config_file import read_config
from ib_data.training.weights.fingerprint import SETTING_FILES
from ib_data.training.weights.folder import ModelFolder
from ib_data.training.weights.tokenizer_files import load_tokenizer, write_processor_config


def exported_config(folder: ModelFolder, activation: str, bos_token: str) -> dict[str, Any]:
    """The values of `config.json`: those of the start folder, with the run's activation and first token.

    `video_token_index` is for `InstructBlipVideoForConditionalGeneration`, which loads the same weights.
    """
    values = read_config(folder.path)
    text: dict[str, Any] = values["text_config"]
    if activation:
        text |= _activation_values(text, activation)
    if bos_token:
        text["bos_token_id"] = load_tokenizer(folder.path, "copy the start folder again").get_vocab()[bos_token]
    index = folder.config.image_token_index
    return {**values, "image_token_index": index, "video_token_index": index}


def _activation_values(text: dict[str, Any], activation: str) -> dict[str, Any]:
    """The keys that set the activation of a language model.

    T5 derives it from `feed_forward_proj`, where `gated-gelu` means `gelu_new`; exact gelu there is `gelu_python`.
    """
    if "feed_forward_proj" in text:
        is_gated = str(text["feed_forward_proj"]).startswith("gated-")
        exact = "gelu_python" if is_gated and activation == "gelu" else activation
        return {"feed_forward_proj": f"gated-{exact}" if is_gated else exact, "dense_act_fn": exact}
    key = "activation_function" if "activation_function" in text else "hidden_act"
    return {key: activation}


def write_processor(folder: ModelFolder, out: Path, bos_token: str) -> None:
    """Write the tokenizers of a start folder and `processor_config.json` into `out`.

    With `bos_token` the language model's tokenizer begins every text with it.
    """
    for name in SETTING_FILES:
        if (folder.path / name).is_file() and name != "config.json":
            (out / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(folder.path / name, out / name)
    if bos_token:
        tokenizer: Any = load_tokenizer(folder.path, "copy the start folder again", bos_token=bos_token)
        tokenizer.add_bos_token = True
        tokenizer.save_pretrained(out)
    config: Any = folder.config
    write_processor_config(out, config.vision_config.image_size, config.num_query_tokens)
