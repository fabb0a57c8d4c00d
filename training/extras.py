"""Checks that the packages of the `train` extra can be imported."""

import importlib

from ib_data.errors import IbDataError

PACKAGES = ("torch", "transformers", "safetensors", "tokenizers")


def need_extras(verb: str) -> None:
    """Import the packages for training. Raises IbDataError, with the remedy, for the first that cannot be imported."""
    for package in PACKAGES:
        try:
            importlib.import_module(package)
        except (ImportError, OSError) as error:
            raise IbDataError(f"{verb} needs {package} ({error}); pip install 'ib-data[train]'") from error
