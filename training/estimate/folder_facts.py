"""What a model folder holds, as plain values. Only headers are read, and the weights once for the fingerprint."""

from pathlib import Path
from typing import Any

from ib_data.console import Size
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.training.estimate.parts import parts_of
from ib_data.training.model.parts import PARTS
from ib_data.training.text.tokenizers import load_tokenizers
from ib_data.training.weights.fingerprint import fingerprint, part_fingerprint
from ib_data.training.weights.folder import ModelFolder, require_model_folder
from ib_data.training.weights.tokenizer_files import IMAGE_TOKEN, QFORMER_FOLDER, load_tokenizer


def model_facts(path: Path, home: Home) -> dict[str, Any]:
    """Parts, parameters, how many train by default, types, tokenizers and fingerprint of an InstructBLIP folder.

    Raises DataError for a folder that is not one. A tokenizer that cannot be used is a note.
    """
    folder = require_model_folder(path)
    config: Any = folder.config
    tokenizers, notes = _tokenizers(folder)
    trained = parts_of(config).trained
    return {
        "folder": str(path),
        "parts": [_part(folder, name, trained.get(name, 0), home) for name in PARTS],
        "language_model": f"{config.text_config.model_type}, {_kind(config)}",
        "num_query_tokens": config.num_query_tokens,
        "image_px": config.vision_config.image_size,
        "tokenizers": tokenizers,
        "notes": notes,
        "fingerprint": fingerprint(folder, home),
    }


def _part(folder: ModelFolder, name: str, num_trained: int, home: Home) -> dict[str, Any]:
    tensors = [tensor for key, tensor in folder.tensors.items() if key == name or key.startswith(f"{name}.")]
    parameters = sum(tensor.numel for tensor in tensors)
    classes: dict[str, Any] = {
        "vision_model": folder.config.vision_config,
        "qformer": folder.config.qformer_config,
        "language_model": folder.config.text_config,
    }
    return {
        "part": name,
        "class": classes[name].model_type if name in classes else None,
        "tensors": len(tensors),
        "parameters": parameters,
        "trained": num_trained,
        "types": ", ".join(sorted({tensor.dtype for tensor in tensors})),
        "bytes": Size(sum(tensor.num_bytes for tensor in tensors)),
        "fingerprint": part_fingerprint(folder, name, home),
    }


def _kind(config: Any) -> str:
    return "decoder-only" if config.use_decoder_only_language_model else "encoder-decoder"


def _tokenizers(folder: ModelFolder) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Sizes and special ids of both tokenizers, and notes about problems."""
    config: Any = folder.config
    found: dict[str, dict[str, Any]] = {}
    notes: list[str] = []
    bos_notes: list[str] = []
    for name, path in (("language", folder.path), ("qformer", folder.path / QFORMER_FOLDER)):
        try:
            tokenizer = load_tokenizer(path, "copy the tokenizer files into it")
        except IbDataError as error:
            notes.append(str(error))
            continue
        rows = (config.text_config if name == "language" else config.qformer_config).vocab_size
        ids = {key: getattr(tokenizer, f"{key}_token_id") for key in ("bos", "eos", "pad")}
        found[name] = {"tokens": len(tokenizer), "rows": rows, **ids}
        if name == "language":
            found[name]["image"] = tokenizer.get_vocab().get(IMAGE_TOKEN)
            notes += _image_notes(found[name]["image"], config.image_token_index)
            bos_notes = _bos_notes(tokenizer, config)
    return found, [*(notes or _refusal(folder)), *bos_notes]


def _refusal(folder: ModelFolder) -> list[str]:
    """Why `train` and `generate` would not take these tokenizers, if so: they read the fast form only."""
    config: Any = folder.config
    try:
        load_tokenizers(folder.path, config.image_token_id)
    except IbDataError as error:
        return [f"`ib-data train` and `ib-data generate` cannot use it: {error}"]
    return []


def _image_notes(token_id: int | None, index: int | None) -> list[str]:
    if token_id is not None and token_id == index:
        return []
    what = f"{IMAGE_TOKEN} has id {token_id} in the tokenizer and {index} in config.json"
    return [f"{what}; `ib-data model merge` with this folder as --blip2 and --text adds it"]


def _bos_notes(tokenizer: Any, config: Any) -> list[str]:
    """The quirk of Vicuna: its authors declared `</s>` as the first token too (id 2, not 1)."""
    if config.text_config.model_type != "llama":
        return []
    token = tokenizer.bos_token
    if token == "</s>":
        return [f"prompts begin with </s> (id {tokenizer.bos_token_id}), as the released Vicuna weights need"]
    return [f"prompts begin with {token}; if this is a Vicuna v1.1 tuned by the authors, set bos_token = '</s>'"]
