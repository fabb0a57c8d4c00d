"""What the stages made, as the parts that the package ships."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers import InstructBlipConfig, PreTrainedTokenizerFast

from ib_data.training.backbones import captioner, projections
from ib_data.training.backbones.slots import NUM_QUERIES
from ib_data.training.backbones.start_values import bare_language
from ib_data.training.backbones.vision import FILE as VISION_FILE
from ib_data.training.backbones.vision import vision_config
from ib_data.training.backbones.vocabulary import LANGUAGE_FOLDERS, QFORMER_FOLDER
from ib_data.training.weights.backbones import SHIPPED
from ib_data.training.weights.backbones_writing import Family, write_parts
from ib_data.training.weights.tokenizer_files import IMAGE_TOKEN


def package(work: Path, reports: Mapping[str, Any], families: tuple[str, ...], out: Path | None = None) -> None:
    """Write the parts of `families` in the folder `work` to `out`, by default the folder that the package ships.

    Raises ValueError if they do not make whole models or take more room than the package has for them.
    """
    qformer: Any = PreTrainedTokenizerFast.from_pretrained(str(work / families[0] / QFORMER_FOLDER))
    write_parts(
        out or SHIPPED,
        vision=load_file(work / "vision" / VISION_FILE),
        qformer_tokenizer=qformer,
        families={family: _family(work, family, qformer) for family in families},
        report=without_seconds(reports),
    )


def without_seconds(value: Any) -> Any:
    """A report without the seconds that a stage took, which differ each time."""
    if not isinstance(value, Mapping):
        return value
    return {key: without_seconds(inner) for key, inner in value.items() if "seconds" not in key and "cpu_s" not in key}


def _family(work: Path, family: str, qformer: Any) -> Family:
    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(str(work / family / LANGUAGE_FOLDERS[family]))
    config: Any = InstructBlipConfig(
        vision_config=vision_config(),
        qformer_config=captioner.qformer_config(len(qformer), qformer.pad_token_id),
        text_config=bare_language(family, tokenizer.backend_tokenizer).config,
        num_query_tokens=NUM_QUERIES,
        image_token_index=tokenizer.get_vocab()[IMAGE_TOKEN],
    )
    maps = load_file(work / "maps" / projections.file_of(family))
    return Family(
        config=config,
        tokenizer=tokenizer,
        language=load_file(work / family / f"{family}.safetensors"),
        start={**load_file(work / "start" / captioner.FILE), **maps},
    )
