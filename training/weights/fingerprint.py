"""Fingerprints of model folders: equal if and only if weights, configuration and tokenizers are.

The checksum of every tensor is kept in the home until a weight file changes, so only the first use reads the weights.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from ib_data.console import Progress, debug
from ib_data.file_state import state_text
from ib_data.home import Home
from ib_data.replacing import replacing
from ib_data.training.weights.config_file import CONFIG
from ib_data.training.weights.folder import ModelFolder
from ib_data.training.weights.headers import StoredTensor, stored_bytes

_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
    "spiece.model", "vocab.txt", "vocab.json", "merges.txt",
)  # fmt: skip
SETTING_FILES = (CONFIG, *_TOKENIZER_FILES, *(f"qformer_tokenizer/{name}" for name in _TOKENIZER_FILES))


def fingerprint(folder: ModelFolder, home: Home | None = None) -> str:
    """SHA-256, in hex, over names, types, shapes and bytes of all tensors, `config.json` and the tokenizer files.

    How the weights are cut into files does not matter. With `home`, checksums of unchanged files are taken from
    there. Constant memory. Raises OSError if a file cannot be read.
    """
    lines = _lines(folder, "", home)
    for name in SETTING_FILES:
        if (folder.path / name).is_file():
            lines.append(f"{name} {hashlib.sha256((folder.path / name).read_bytes()).hexdigest()}")
    return _digest(lines)


def part_fingerprint(folder: ModelFolder, prefix: str, home: Home | None = None) -> str:
    """SHA-256, in hex, over the tensors whose names begin with `prefix`, such as `vision_model.`."""
    return _digest(_lines(folder, prefix, home))


def _lines(folder: ModelFolder, prefix: str, home: Home | None) -> list[str]:
    names = sorted(name for name in folder.tensors if name.startswith(prefix))
    digests = _checksums(folder, names, home)
    tensors = folder.tensors
    return [f"{name} {tensors[name].dtype} {list(tensors[name].shape)} {digests[name]}" for name in names]


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _checksums(folder: ModelFolder, names: list[str], home: Home | None) -> dict[str, str]:
    """The SHA-256 of the bytes of each named tensor; those that the home does not have are added there."""
    states = {file.name: state_text(file) for file in sorted({tensor.file for tensor in folder.tensors.values()})}
    memo = _memo_path(folder.path, home) if home else None
    known = _read_memo(memo, states) if memo else {}
    if missing := [name for name in names if name not in known]:
        known |= zip(missing, _hashed([folder.tensors[name] for name in missing]), strict=True)
        if memo:
            _write_memo(memo, states, known)
    return known


def _hashed(tensors: list[StoredTensor]) -> Iterator[str]:
    """The checksums of tensors, in their order. Threads share the work: hashing lets them run at the same time."""
    total = sum(tensor.num_bytes for tensor in tensors)
    with (
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        Progress("verifying the weights", total, "B") as shown,
    ):
        for tensor, digest in zip(tensors, pool.map(_sha256, tensors), strict=True):
            shown.add(tensor.num_bytes)
            yield digest


def _sha256(tensor: StoredTensor) -> str:
    digest = hashlib.sha256()
    for piece in stored_bytes(tensor):
        digest.update(piece)
    return digest.hexdigest()


def _memo_path(folder: Path, home: Home) -> Path:
    key = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return home.cache / "weights" / f"{key}.json"


def _read_memo(path: Path, states: Mapping[str, str]) -> dict[str, str]:
    """Known checksums by tensor, or none if a weight file has changed since or the memo is unusable."""
    try:
        value = json.loads(path.read_bytes())
        digests = value["digests"] if value["files"] == states else {}
        return {str(name): str(digest) for name, digest in digests.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _write_memo(path: Path, states: Mapping[str, str], digests: Mapping[str, str]) -> None:
    """Keep checksums for later. A home that cannot be written costs time, not the run."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            part.write_text(json.dumps({"files": states, "digests": digests}), encoding="utf-8")
        debug(f"checksums of the weights kept in {path}")
