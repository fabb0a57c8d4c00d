"""The speed of the catalog over ten million annotations: python benchmarks/catalog.py [--write]

Writes synthetic indices of three datasets to a temporary folder (a quarter of a gigabyte, deleted afterwards) and runs
three typical queries. The goal is a rebuild in at most 2 s.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hardware import report

from ib_data.home import Home
from ib_data.mixtures.catalog.file import rebuild
from ib_data.mixtures.catalog.queries import query
from ib_data.stored.index import DROPS_SCHEMA, SCHEMA, write_table
from ib_data.stored.manifest import DROPS, INDEX, Manifest, Shard

ROUNDS = 5
CHUNK_SAMPLES = 100_000
SAMPLES_PER_SHARD = 10_000
COLOURS = np.array(["red", "green", "blue", "yellow", "orange", "black", "white", "grey", "brown", "pink"])
QUESTIONS = {
    "annotations of each dataset": "SELECT dataset, count(*) FROM annotations GROUP BY ALL",
    "most frequent answers by votes": """
        SELECT answer.text, sum(answer.count) AS votes
        FROM (SELECT unnest(answers) AS answer FROM annotations WHERE dataset = 'vqav2')
        GROUP BY ALL ORDER BY votes DESC LIMIT 20""",
    "images that several datasets hold": """
        SELECT media_sha256, list(DISTINCT dataset) AS datasets FROM samples
        GROUP BY media_sha256 HAVING count(DISTINCT dataset) > 1 LIMIT 50""",
}


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A synthetic dataset. Image i of two datasets with the same `first_image` is the same image."""

    dataset: str
    num_samples: int
    annotations_per_sample: int
    first_image: int


DATASETS = (
    Synthetic("vqav2", 800_000, 5, 0),
    Synthetic("coco_caption", 400_000, 5, 0),
    Synthetic("web_capfilt", 4_000_000, 1, 10_000_000),
)


def chunks(of: Synthetic) -> Iterator[pa.Table]:
    """The rows of an index, some samples at a time."""
    each = of.annotations_per_sample
    for first in range(0, of.num_samples, CHUNK_SAMPLES):
        sample = np.arange(first, min(first + CHUNK_SAMPLES, of.num_samples))
        row = np.repeat(sample, each)
        ordinal = np.tile(np.arange(each), len(sample))
        # A seed for each chunk of images: equal images have equal checksums, and they compress as badly as real ones.
        digits = np.random.default_rng(of.first_image + first).bytes(32 * len(sample)).hex()
        sha256 = np.array([digits[i : i + 64] for i in range(0, len(digits), 64)])
        chosen = COLOURS[(row * 7 + ordinal) % len(COLOURS)]
        is_caption = of.dataset != "vqav2"
        text = np.char.add("what is beside the thing that is ", chosen)
        answer = pa.StructArray.from_arrays(
            [pa.array(chosen), pa.array(1 + ordinal, pa.int32())], fields=list(SCHEMA.field("answers").type.value_type)
        )
        columns = {
            "dataset": np.full(len(row), of.dataset),
            "split": np.full(len(row), "train"),
            "shard": np.array([f"{of.dataset}-train-{n:06d}.tar" for n in row // SAMPLES_PER_SHARD]),
            "key": np.array([f"{of.dataset}-train-{n:012d}" for n in row]),
            "offset": row % SAMPLES_PER_SHARD * 66_048,
            "num_bytes": np.full(len(row), 66_048),
            "media_bytes": 50_000 + row % 10_000,
            "media_kind": np.full(len(row), "image"),
            "media_name": np.array([f"{of.first_image + n:012d}.jpg" for n in row]),
            "media_sha256": np.repeat(sha256, each),
            "width": 480 + row % 160,
            "height": 360 + row % 120,
            "ordinal": ordinal,
            "id": np.char.add(np.char.add(row.astype(str), "-"), ordinal.astype(str)),
            "caption" if is_caption else "question": text,
        }
        if not is_caption:
            columns["answers"] = pa.ListArray.from_arrays(pa.array(np.arange(len(row) + 1), pa.int32()), answer)
        nulls = (pa.nulls(len(row), field.type) for field in SCHEMA)
        arrays = [
            pa.array(columns[field.name], field.type) if field.name in columns else null
            for field, null in zip(SCHEMA, nulls, strict=True)
        ]
        yield pa.Table.from_arrays(arrays, schema=SCHEMA)


def write(home: Home, of: Synthetic) -> int:
    """Write index, drops and manifest of a dataset; returns the bytes of the index."""
    folder = home.split(of.dataset, "train")
    folder.mkdir(parents=True)
    with pq.ParquetWriter(folder / INDEX, SCHEMA, compression="zstd") as writer:
        for table in chunks(of):
            writer.write_table(table)
    write_table([], DROPS_SCHEMA, folder / DROPS)
    num_annotations = of.num_samples * of.annotations_per_sample
    per_shard = SAMPLES_PER_SHARD * of.annotations_per_sample
    names = [f"{of.dataset}-train-{n:06d}.tar" for n in range(of.num_samples // SAMPLES_PER_SHARD)]
    shards = tuple(
        Shard(name=name, num_samples=SAMPLES_PER_SHARD, num_annotations=per_shard, num_bytes=1, sha256="0" * 64)
        for name in names
    )
    Manifest(
        dataset=of.dataset,
        split="train",
        num_samples=of.num_samples,
        num_annotations=num_annotations,
        num_drops=0,
        index_sha256="0" * 64,
        drops_sha256="0" * 64,
        shards=shards,
        recipe={},
    ).write(folder)
    return (folder / INDEX).stat().st_size


def median_s(action: Callable[[], object]) -> float:
    """The median wall seconds of some runs, without the first, which reads cold files."""
    action()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return round(statistics.median(times), 3)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        index_bytes = sum(write(home, of) for of in DATASETS)
        found = query(home, "SELECT count(*) FROM annotations WHERE task <> 'question_generation'")[1][0][0]
        figures = {
            "annotations": found,
            "samples": sum(of.num_samples for of in DATASETS),
            "index_mb": round(index_bytes / 1e6),
            "rounds": ROUNDS,
            "rebuild_s": median_s(lambda: rebuild(home)),
            "catalog_mb": round(home.catalog.stat().st_size / 1e6, 2),
            "query_s": {name: median_s(partial(query, home, sql)) for name, sql in QUESTIONS.items()},
        }
    report("catalog", figures)
