"""A tiny built home, written here by hand: tar shards, index and manifest, without any builder."""

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PIL import Image

from ib_data.home import Home
from ib_data.sample import Annotation, Answer, Media, Sample
from ib_data.stored.index import DROPS_SCHEMA, SCHEMA, Extent, index_rows, write_table
from ib_data.stored.manifest import DROPS, INDEX, Manifest, Shard

BuildHome = Callable[..., Home]


def jpeg(colour: str = "teal", size: tuple[int, int] = (640, 480)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG")
    return out.getvalue()


def write_split(home: Home, dataset: str, split: str, samples: Iterable[tuple[Sample, bytes | None]]) -> None:
    folder = home.split(dataset, split)
    folder.mkdir(parents=True)
    shard = folder / f"{dataset}-{split}-000000.tar"
    rows, num_samples, num_annotations = [], 0, 0
    with tarfile.open(shard, "w", format=tarfile.USTAR_FORMAT) as tar:
        for sample, media in samples:
            start = tar.offset
            parts = [("json", sample.to_json().encode())]
            if media is not None:
                parts.insert(0, ("jpg", media))
            places = {}
            for extension, data in parts:
                info = tarfile.TarInfo(f"{sample.key}.{extension}")
                info.size = len(data)
                places[extension] = (tar.offset + 512, len(data))
                tar.addfile(info, io.BytesIO(data))
            extent = Extent(
                offset=start,
                num_bytes=tar.offset - start,
                json_offset=places["json"][0],
                json_bytes=places["json"][1],
                media_offset=places["jpg"][0] if media is not None else None,
                media_bytes=places["jpg"][1] if media is not None else None,
                media_extension="jpg" if media is not None else None,
            )
            rows += index_rows(sample, shard.name, extent)
            num_samples += 1
            num_annotations += len(sample.annotations)
    write_table(rows, SCHEMA, folder / INDEX)
    write_table([], DROPS_SCHEMA, folder / DROPS)
    sha = hashlib.sha256(shard.read_bytes()).hexdigest()
    Manifest(
        dataset=dataset,
        split=split,
        num_samples=num_samples,
        num_annotations=num_annotations,
        num_drops=0,
        index_sha256="0" * 64,
        drops_sha256="0" * 64,
        shards=(
            Shard(
                name=shard.name,
                num_samples=num_samples,
                num_annotations=num_annotations,
                num_bytes=shard.stat().st_size,
                sha256=sha,
            ),
        ),
        recipe={},
    ).write(folder)


def make_sample(
    dataset: str, split: str, number: int, annotations: tuple[Annotation, ...], kind: str = "image"
) -> Sample:
    media = Media(kind=kind, source_name=f"{number}.jpg", width=640, height=480)
    return Sample(
        key=f"{dataset}-{split}-{number:012d}", dataset=dataset, split=split, media=media, annotations=annotations
    )


def vqa(number: int, question: str = "What colour is the ball?") -> Annotation:
    return Annotation(id=str(number), question=question, answers=(Answer("red", 7), Answer("dark red", 3)))


@pytest.fixture
def build(tmp_path: Path) -> BuildHome:
    """build(dataset, split, [(annotations, media bytes or None), ...]) -> Home; in key order, as a build writes it."""
    home = Home(tmp_path / "home")

    def add(dataset: str, split: str, rows: list[tuple[tuple[Annotation, ...], bytes | None]], **options: str) -> Home:
        samples = [
            (make_sample(dataset, split, i, annotations, **options), media)
            for i, (annotations, media) in enumerate(rows)
        ]
        write_split(home, dataset, split, samples)
        return home

    return add


@pytest.fixture
def vqa_home(build: BuildHome) -> Home:
    """Three built VQAv2 training samples; the first has five questions."""
    many = tuple(vqa(i, f"Question number {i}?") for i in range(5))
    return build("vqav2", "train", [(many, jpeg()), ((vqa(10),), jpeg("gold", (200, 500))), ((vqa(20),), jpeg("navy"))])


@pytest.fixture
def hostile() -> tuple[str, ...]:
    """Texts that strangers may write."""
    return (
        "{{ 7*7 }} {% raw %} {# no #}",
        "100% of %s {0} \\n $x",
        "<script>alert('x')</script> & \"quoted\" </style><img src=x onerror=y>",
        "\u05de\u05d4 \u05d6\u05d4\u202e txt \u202c?",
        "bell\x07 escape\x1b[31m nul\x00 end",
        "marks \ue001 out of \ue000 order \ue000\ue001",
        "lone surrogate \ud800 here",
    )
