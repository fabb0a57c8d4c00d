"""The home: the one folder that ib_data writes to, given by `--home`, `IB_DATA_HOME` or `~/ib_data`."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ib_data.errors import IbDataError, quoted

SPLITS = ("train", "validation", "test")
MARKER = "ib_data_home.txt"
MANIFEST = "manifest.json"  # of a built split: without it nothing is built
HOME_FOLDERS = (
    "shards",
    "staging",
    "miniature",
    "runs",
    "evaluations",
    "cache",
    "draws",
    "locks",
)  # written by ib-data
_MARKED = "This folder is a home of ib-data: it is never read as --source.\n"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Home:
    """The paths under one home folder; `~` is expanded. Nothing is created until something is written."""

    root: Path

    def __init__(self, root: str | os.PathLike[str]) -> None:
        if not isinstance(root, str | os.PathLike):
            raise IbDataError(f"home: expected a folder, found {quoted(root)}")
        try:
            object.__setattr__(self, "root", Path(root).expanduser())
        except RuntimeError as error:
            raise IbDataError(f"home {root}: {error}") from error

    def __repr__(self) -> str:
        return f"Home({str(self.root)!r})"

    @classmethod
    def find(cls, given: "HomeLike | None" = None) -> "Home":
        """The given home, else `IB_DATA_HOME`, else `~/ib_data`; always absolute.

        It need not exist yet. Raises IbDataError if it, or a folder above it, is a file, and for a path that cannot be
        encoded as UTF-8: pyarrow and DuckDB could not open files there.
        """
        chosen = os.environ.get("IB_DATA_HOME") or "~/ib_data" if given in (None, "") else given
        root = (chosen if isinstance(chosen, Home) else cls(chosen)).root.absolute()
        try:
            str(root).encode("utf-8")
        except UnicodeEncodeError as error:
            remedy = "set LC_ALL=C.UTF-8, or choose another home"
            raise IbDataError(f"home {root}: the locale cannot read this name; {remedy}") from error
        for path in (root, *root.parents):
            if path.exists() and not path.is_dir():
                raise IbDataError(f"{root} cannot be a home: {path} is not a folder; choose another home")
        return cls(root)

    def mark(self) -> None:
        """Create the folder, with the file that marks it as a home."""
        self.root.mkdir(parents=True, exist_ok=True)
        if not (self.root / MARKER).exists():
            (self.root / MARKER).write_text(_MARKED, encoding="utf-8")

    @property
    def downloads(self) -> Path:
        """Downloaded official files, at `HOST/PATH` of their URL."""
        return self.root / "downloads"

    @property
    def catalog(self) -> Path:
        """The DuckDB database over every index."""
        return self.root / "catalog.duckdb"

    @property
    def miniature(self) -> Path:
        """The generated mirror that `--mini` builds from."""
        return self.root / "miniature"

    @property
    def runs(self) -> Path:
        """One folder per training run."""
        return self.root / "runs"

    @property
    def evaluations(self) -> Path:
        """One folder per evaluated model and way of evaluating it."""
        return self.root / "evaluations"

    @property
    def cache(self) -> Path:
        """Files that are recreated when needed: mapped indices, shards fetched from an object store."""
        return self.root / "cache"

    @property
    def quarantine(self) -> Path:
        """Samples that could not be used while streaming, one JSON line each."""
        return self.root / "quarantine.jsonl"

    @property
    def draws(self) -> Path:
        """Saved draws, as Parquet."""
        return self.root / "draws"

    def split(self, dataset: str, split: str) -> Path:
        """The finished shards of one split, with their index, drops and manifest."""
        return self.root / "shards" / dataset / split

    def staging(self, dataset: str, split: str) -> Path:
        """A build in progress; a finished build becomes `split(...)` by one rename."""
        return self.root / "staging" / dataset / split

    def lock(self, name: str) -> Path:
        """The file that processes lock while they work on `name`."""
        return self.root / "locks" / f"{name}.lock"


# Functions also accept the folder of a home.
HomeLike = Home | str | os.PathLike[str]


def is_home(names: Collection[str]) -> bool:
    """Whether a folder with these names in it is a home. Homes older than the marker are known by their contents."""
    return MARKER in names or ("locks" in names and ("shards" in names or "catalog.duckdb" in names))
