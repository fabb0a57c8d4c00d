"""The builds in a home for the catalog: the complete ones, and the damaged files, which must not affect the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ib_data.home import MANIFEST, Home
from ib_data.stored.index_file import parquet_error, parquet_problem
from ib_data.stored.manifest import DROPS, INDEX, Manifest, survey

# The relations that read each file; a damaged manifest affects all of them.
READ_FROM = {
    INDEX: ("samples", "annotations", "conversation_counts", "expected_epochs"),
    DROPS: ("drops",),
    MANIFEST: ("datasets", "shards", "template_stats"),
}


@dataclass(frozen=True, slots=True)
class Lost:
    """An unusable file of a built split, with the line that says why and what to do."""

    dataset: str
    split: str
    file: str
    problem: str

    def relations(self) -> tuple[str, ...]:
        """The relations that lack the rows of this split."""
        files = READ_FROM if self.file == MANIFEST else (self.file,)
        return tuple(name for file in files for name in READ_FROM[file])


@dataclass(frozen=True, slots=True)
class Holdings:
    """The manifests of all built splits, sorted by dataset and split, and their lost files."""

    manifests: tuple[Manifest, ...]
    lost: tuple[Lost, ...]

    def whole(self, file: str) -> list[Manifest]:
        """The builds whose file of this name can be read."""
        out = {(lost.dataset, lost.split) for lost in self.lost_of(file)}
        return [m for m in self.manifests if (m.dataset, m.split) not in out]

    def lost_of(self, file: str) -> Sequence[Lost]:
        """The splits whose file of this name, or manifest, is unusable."""
        return [lost for lost in self.lost if lost.file in (file, MANIFEST)]


def holdings(home: Home) -> Holdings:
    """All builds in `home`, after a check of the footers of their Parquet files."""
    manifests, damaged = survey(home)
    manifests.sort(key=lambda m: (m.dataset, m.split))
    lost = [Lost(d.dataset, d.split, MANIFEST, str(d.error)) for d in damaged]
    for manifest in manifests:
        lost += _lost_files(home.split(manifest.dataset, manifest.split), manifest)
    return Holdings(tuple(manifests), tuple(lost))


def _lost_files(folder: Path, manifest: Manifest) -> Iterator[Lost]:
    """The damaged files, by their footers: DuckDB's error does not name the file."""
    for name in (INDEX, DROPS):
        if problem := parquet_problem(folder / name, manifest):
            error = parquet_error(folder / name, manifest, problem)
            yield Lost(manifest.dataset, manifest.split, name, str(error))
