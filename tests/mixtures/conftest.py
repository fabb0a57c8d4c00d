"""A tiny home: vqav2, okvqa and coco_caption, built by the project's own writers without any official file."""

import io
import tarfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from ib_data.builders.index import DROPS_SCHEMA, SCHEMA, Extent, index_rows, write_table
from ib_data.builders.manifest import DROPS, INDEX, Manifest, Shard
from ib_data.home import Home
from ib_data.sample import Annotation, Answer, Media, Sample

ANSWERS = (Answer("red", 9), Answer("orange", 1))


def _annotations(dataset: str, number: int) -> tuple[Annotation, ...]:
    ids = (f"{number}-{j}" for j in range(2))
    if dataset == "coco_caption":
        return tuple(Annotation(id=i, caption=f"a drawing numbered {i}") for i in ids)
    if dataset == "aokvqa":
        options = ("red", "blue", "green", "grey")
        return tuple(
            Annotation(id=i, question=f"which colour has {i}?", answers=ANSWERS, options=options, answer_index=1)
            for i in ids
        )
    return tuple(Annotation(id=i, question=f"what colour is {i}?", answers=ANSWERS) for i in ids)


def _sample(dataset: str, split: str, number: int) -> tuple[Sample, bytes]:
    image = b"\xff\xd8" + f"{dataset} {number}".encode() * 5
    media = Media(kind="image", source_name=f"{number}.jpg", width=8, height=6, sha256=sha256(image).hexdigest())
    key = f"{dataset}-{split}-{number:06d}"
    return Sample(key=key, dataset=dataset, split=split, media=media, annotations=_annotations(dataset, number)), image


def build(home: Home, dataset: str, num_samples: int, split: str = "train", shard_samples: int = 8) -> Path:
    """Two annotations a sample; the media member stands first. Written anew where it was built before."""
    folder = home.split(dataset, split)
    folder.mkdir(parents=True, exist_ok=True)
    rows, shards = [], []
    for first in range(0, num_samples, shard_samples):
        name = f"{dataset}-{split}-{len(shards):06d}.tar"
        numbers = range(first, min(first + shard_samples, num_samples))
        with tarfile.open(folder / name, "w", format=tarfile.USTAR_FORMAT) as tar:
            for number in numbers:
                sample, image = _sample(dataset, split, number)
                text, start = sample.to_json().encode(), tar.offset
                for extension, data in (("jpg", image), ("json", text)):
                    member = tarfile.TarInfo(f"{sample.key}.{extension}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
                extent = Extent(
                    offset=start,
                    num_bytes=tar.offset - start,
                    json_offset=tar.offset - (len(text) + 511) // 512 * 512,
                    json_bytes=len(text),
                    media_offset=start + 512,
                    media_bytes=len(image),
                    media_extension="jpg",
                )
                rows += index_rows(sample, name, extent)
        data = (folder / name).read_bytes()
        counts = {"num_samples": len(numbers), "num_annotations": 2 * len(numbers), "num_bytes": len(data)}
        shards.append(Shard(name=name, sha256=sha256(data).hexdigest(), **counts))
    write_table(rows, SCHEMA, folder / INDEX)
    dropped = [{"dataset": dataset, "split": split, "source_id": "x1", "reason": "no image"}]
    write_table(dropped, DROPS_SCHEMA, folder / DROPS)
    Manifest(
        dataset=dataset,
        split=split,
        num_samples=num_samples,
        num_annotations=2 * num_samples,
        num_drops=1,
        index_sha256=sha256((folder / INDEX).read_bytes()).hexdigest(),
        drops_sha256=sha256((folder / DROPS).read_bytes()).hexdigest(),
        shards=tuple(shards),
        recipe={},
    ).write(folder)
    return folder


Build = Callable[..., Path]


@pytest.fixture(scope="session")
def build_split() -> Build:
    """`build`, as a fixture: tests without packages cannot import this file."""
    return build


@pytest.fixture(scope="session")
def tiny_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with 20 samples of vqav2, 3 of okvqa and 9 of coco_caption, for tests that only read it."""
    home = Home(tmp_path_factory.mktemp("home"))
    build(home, "vqav2", 20)
    build(home, "okvqa", 3)
    build(home, "coco_caption", 9)
    return home


@pytest.fixture
def empty_home(tmp_path: Path) -> Home:
    """A home where nothing is built."""
    return Home(tmp_path / "empty")
