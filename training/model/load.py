"""A model folder as a model in memory."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import InstructBlipForConditionalGeneration
from transformers.activations import ACT2FN

from ib_data.errors import IbDataError, one_line
from ib_data.training.batch.row import RowMaker
from ib_data.training.model.parts import freeze, has_own_head, is_trained
from ib_data.training.model.quiet import quiet_transformers
from ib_data.training.text.tokenizers import Tokenizers, load_tokenizers
from ib_data.training.weights.folder import ModelFolder, require_model_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model on the CPU with its tokenizers, frozen but for the trained parts, which are float32."""

    model: Any  # InstructBlipForConditionalGeneration
    tokenizers: Tokenizers
    folder: ModelFolder

    @property
    def config(self) -> Any:  # InstructBlipConfig, whose parts are only known when it is made
        """The configuration of the folder."""
        return self.model.config

    @property
    def is_causal(self) -> bool:
        """Whether the language model is decoder-only, rather than encoder-decoder."""
        return bool(self.config.use_decoder_only_language_model)

    @property
    def decoder_start_id(self) -> int | None:
        """The id that an encoder-decoder model's decoder begins with; None for a causal model."""
        return None if self.is_causal else int(self.config.text_config.decoder_start_token_id)

    def row_maker(self, max_instruction_tokens: int, max_target_tokens: int) -> RowMaker:
        """What turns an annotation into token ids for this model."""
        return RowMaker(
            tokenizers=self.tokenizers,
            num_query_tokens=self.config.num_query_tokens,
            is_causal=self.is_causal,
            max_instruction_tokens=max_instruction_tokens,
            max_target_tokens=max_target_tokens,
        )


def load_model(
    path: Path,
    *,
    bos_token: str = "",
    activation: str = "",
    dtype: torch.dtype = torch.float32,
    instruction_aware: bool = True,
) -> LoadedModel:
    """The model in a folder: frozen parts as `dtype`, trained parts as float32, from the file's own values.

    `bos_token` and `activation` are the two quirks of the released models (see `load_tokenizers`): FlanT5 was used with
    exact `gelu` where its own configuration says `gelu_new`. Raises IbDataError for a folder that is not a whole model.
    """
    folder = require_model_folder(path)
    config: Any = folder.config
    tokenizers = load_tokenizers(folder.path, config.image_token_id, bos_token)
    if activation:
        _set_activation(config.text_config, activation, folder.path)
    _require_decoder_start(config, folder.path)
    _require_own_head(folder)
    _check_vocabulary(folder, tokenizers)
    try:
        with quiet_transformers():
            made: Any = InstructBlipForConditionalGeneration.from_pretrained(
                folder.path,
                config=config,
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise IbDataError(f"{path}: cannot be loaded: {one_line(str(error), 300)}; copy the folder again") from error
    model, info = made
    for kind in ("missing_keys", "mismatched_keys"):  # transformers fills them with random values
        if info.get(kind):
            name = sorted(map(str, info[kind]))[0]
            raise IbDataError(f"{path}: {kind.replace('_', ' ')}, such as {name}; copy the folder again")
    freeze(model, instruction_aware=instruction_aware)
    if dtype != torch.float32:
        _read_masters(model, folder)
    return LoadedModel(model=model, tokenizers=tokenizers, folder=folder)


@torch.no_grad()
def _read_masters(model: Any, folder: ModelFolder) -> None:
    """Read the trained values again as float32: loading as bfloat16 has rounded them."""
    with ExitStack() as stack:
        files: dict[Path, Any] = {}
        for name, parameter in model.named_parameters():
            if is_trained(name):
                stored = folder.tensors[name]
                if stored.file not in files:
                    files[stored.file] = stack.enter_context(safe_open(stored.file, framework="pt"))
                parameter.copy_(files[stored.file].get_tensor(stored.name))


def _set_activation(text_config: Any, activation: str, path: Path) -> None:
    if activation not in ACT2FN:
        remedy = "take one that transformers has, such as gelu, gelu_new, relu or silu"
        raise IbDataError(f"activation {activation!r} is unknown; {remedy}")
    for key in ("dense_act_fn", "hidden_act", "activation_function"):
        if hasattr(text_config, key):
            setattr(text_config, key, activation)
            return
    raise IbDataError(f"{path}: the language model's configuration names no activation; leave `activation` out")


def _require_decoder_start(config: Any, path: Path) -> None:
    is_causal = config.use_decoder_only_language_model
    if not is_causal and getattr(config.text_config, "decoder_start_token_id", None) is None:
        remedy = "add it: it is the id that the decoder of the language model begins with (T5: 0)"
        raise IbDataError(f"{path / 'config.json'}: text_config has no decoder_start_token_id; {remedy}")


def _require_own_head(folder: ModelFolder) -> None:
    """Raise IbDataError for T5 1.1 or FlanT5 without its head.

    transformers ties it to the embeddings then, without a word.
    """
    name = "language_model.lm_head.weight"
    if has_own_head(folder.config.text_config) and name not in folder.tensors:
        raise IbDataError(f"{folder.path}: {name} is missing; copy the folder again")


def _check_vocabulary(folder: ModelFolder, tokenizers: Tokenizers) -> None:
    """Raise IbDataError for tokenizers with ids beyond the embeddings; on a GPU they would kill the process."""
    config: Any = folder.config
    sizes = {
        "language": (tokenizers.language, config.text_config.vocab_size),
        "qformer": (tokenizers.qformer, config.qformer_config.vocab_size),
    }
    for name, (tokenizer, size) in sizes.items():
        largest = max(tokenizer.backend.get_vocab(with_added_tokens=True).values(), default=-1)
        if largest >= size:
            problem = f"{folder.path}: the {name} tokenizer has id {largest}, the model has {size} embeddings"
            raise IbDataError(f"{problem}; use the tokenizer of this model")
