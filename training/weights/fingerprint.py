"""Fingerprint of a model folder."""

from hashlib import sha256

from ib_data.file_state import sha256_of
from ib_data.home import Home
from ib_data.training.weights.folder import ModelFolder


def fingerprint(folder: ModelFolder, home: Home) -> str:
    """SHA-256."""
    return sha256(
        repr(
            [(str(p.relative_to(folder.path)), sha256_of(p)) for p in sorted(folder.path.rglob("*")) if p.is_file()]
        ).encode()
    ).hexdigest()
