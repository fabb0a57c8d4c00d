"""What a home holds for the catalog: the whole builds, and what is damaged, which must stop nothing but itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ib_data.home import MANIFEST, Home
from ib_data.stored.index_file import parquet_error, parquet_problem
from ib_data.stored.manifest import DROPS, INDEX, Manifest, survey

# The relations that read a file; a damaged manifest is missed by all of them.
READ_FROM = {
    INDEX: ("samples", "annotations", "conversation_counts", "expected_epochs"),
    DROPS: ("drops",),
    MANIFEST: ("datasets", "shards", "template_stats"),
}


@dataclass(frozen=True, slots=True)
class Lost:
    """A file of a built split that cannot be used, and the line that says why and what to do."""

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
    """The manifests of what is built, sorted by dataset and split, and what is lost of it."""

    manifests: tuple[Manifest, ...]
    lost: tuple[Lost, ...]

    def whole(self, file: str) -> list[Manifest]:
        """The builds of which this file can be read."""
        out = {(lost.dataset, lost.split) for lost in self.lost_of(file)}
        return [m for m in self.manifests if (m.dataset, m.split) not in out]

    def lost_of(self, file: str) -> Sequence[Lost]:
        """The splits of which this file, or the manifest, cannot be used."""
        return [lost for lost in self.lost if lost.file in (file, MANIFEST)]


def holdings(home: Home) -> Holdings:
    """Everything that is built in `home`, after a look at the footers of its Parquet files."""
    manifests, damaged = survey(home)
    manifests.sort(key=lambda m: (m.dataset, m.split))
    lost = [Lost(d.dataset, d.split, MANIFEST, str(d.error)) for d in damaged]
    for manifest in manifests:
        lost += _lost_files(home.split(manifest.dataset, manifest.split), manifest)
    return Holdings(tuple(manifests), tuple(lost))


def _lost_files(folder: Path, manifest: Manifest) -> Iterator[Lost]:
    """By their footers: of a damaged file DuckDB does not say which it is."""
    for name in (INDEX, DROPS):
        if problem := parquet_problem(folder / name, manifest):
            error = parquet_error(folder / name, manifest, problem)
            yield Lost(manifest.dataset, manifest.split, name, str(error))
