"""ib_data: the data and training side of InstructBLIP (arXiv 2305.06500).

Official files of vision-language datasets become WebDataset shards with a Parquet index, instructions
rendered from templates, a mixture weighted by the square root of dataset sizes, and training runs.
Start with `ib-data --help` and the README, which has the glossary; `docs/api.md` has an example of each name below.

build          official files to shards
open_split     one split that is built: its annotations, samples and images
render         one annotation to an instruction and its target
query          SQL over everything that is built
evaluate       scores of any model on built datasets
open_stream    a mixture as an endless order of examples
StreamLoader   batches of a stream for PyTorch
to_webdataset  what is built as a `webdataset` pipeline
to_datasets    what is built as a `datasets` dataset

Each is imported when it is first used, so that `import ib_data` costs nothing.
"""

TYPE_CHECKING = False  # which type checkers take for true; importing it from typing takes 5 ms
if TYPE_CHECKING:
    from ib_data.errors import DataError, IbDataError, MissingExtraError
    from ib_data.evaluation.answering import Generated, Model, Ranking
    from ib_data.face.build import build
    from ib_data.face.evaluate import evaluate
    from ib_data.face.open_split import open_split
    from ib_data.face.query import QueryResult, query
    from ib_data.face.render import render
    from ib_data.home import Home
    from ib_data.mixtures.bridges.to_datasets import to_datasets
    from ib_data.mixtures.bridges.to_webdataset import to_webdataset
    from ib_data.mixtures.loader.loader import StreamLoader
    from ib_data.mixtures.stream.stream import open_stream
    from ib_data.stream_options import ImageOptions, StreamOptions

__version__ = "0.1.0"

# Where each name is; the imports above say the same to type checkers, and a test compares the two.
_MODULES = {
    "Home": "ib_data.home",
    "build": "ib_data.face.build",
    "open_split": "ib_data.face.open_split",
    "render": "ib_data.face.render",
    "query": "ib_data.face.query",
    "QueryResult": "ib_data.face.query",
    "evaluate": "ib_data.face.evaluate",
    "Model": "ib_data.evaluation.answering",
    "Generated": "ib_data.evaluation.answering",
    "Ranking": "ib_data.evaluation.answering",
    "open_stream": "ib_data.mixtures.stream.stream",
    "StreamLoader": "ib_data.mixtures.loader.loader",
    "StreamOptions": "ib_data.stream_options",
    "ImageOptions": "ib_data.stream_options",
    "to_webdataset": "ib_data.mixtures.bridges.to_webdataset",
    "to_datasets": "ib_data.mixtures.bridges.to_datasets",
    "IbDataError": "ib_data.errors",
    "DataError": "ib_data.errors",
    "MissingExtraError": "ib_data.errors",
}

__all__ = [
    "DataError",
    "Generated",
    "Home",
    "IbDataError",
    "ImageOptions",
    "MissingExtraError",
    "Model",
    "QueryResult",
    "Ranking",
    "StreamLoader",
    "StreamOptions",
    "build",
    "evaluate",
    "open_split",
    "open_stream",
    "query",
    "render",
    "to_datasets",
    "to_webdataset",
]


def __getattr__(name: str) -> object:
    """The public name, imported now (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
