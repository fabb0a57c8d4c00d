"""The corpus of the streaming benchmark: the 26 datasets of the cards, with drawn images and our own shard writer.

SEED and the number of samples decide everything. Datasets differ in size as the real ones do (by the square root of
the size on the card), and a sample has one image and one annotation. Only `NUM_PHOTOS` images are drawn; each sample
has one of them with a comment in its header, so that no two samples have the same bytes: ours decodes equal images of
a batch only once. Three members of the mixture are views over the shards of others, as in the project itself.
"""

import io
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 20_230_506
NUM_PHOTOS = 100
WIDTH, HEIGHT = 640, 480
DESCRIPTION = "corpus.json"
COLUMNS = ("offset", "num_bytes", "media_offset", "media_bytes", "json_offset", "json_bytes")


@dataclass(frozen=True, slots=True)
class Source:
    """One member of the mixture: its shards (paths below the corpus), their numbers of samples, and its share."""

    name: str
    stored_as: str
    split: str
    shards: tuple[str, ...]
    shard_samples: tuple[int, ...]
    weight: float

    @property
    def num_samples(self) -> int:
        """Samples in all shards."""
        return sum(self.shard_samples)


@dataclass(frozen=True, slots=True)
class Corpus:
    """A finished corpus. `sources` are the 26 members of the mixture."""

    root: Path
    sources: tuple[Source, ...]

    def of(self, tier: str) -> tuple[Source, ...]:
        """The sources a tier reads: all members for the mixture, else only the largest dataset."""
        return (
            self.sources if tier.startswith("mixture") else (max(self.sources, key=lambda source: source.num_samples),)
        )

    def paths(self, source: Source) -> list[str]:
        """The absolute paths of a source's shards."""
        return [str(self.root / shard) for shard in source.shards]

    def extents(self, source: Source) -> dict[str, NDArray[np.int64]]:
        """The byte ranges of all samples, an array for each of COLUMNS, and `shard`, the number of the shard."""
        with np.load(self.root / "extents" / f"{source.stored_as}.npz", allow_pickle=False) as arrays:
            return dict(arrays)

    @property
    def home(self) -> Path:
        """The folder that `--home` would name."""
        return self.root / "home"


def read_corpus(root: Path) -> Corpus | None:
    """The corpus in a folder, or None if it is not complete."""
    try:
        values = json.loads((root / DESCRIPTION).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    sources = [
        Source(**{**row, "shards": tuple(row["shards"]), "shard_samples": tuple(row["shard_samples"])})
        for row in values["sources"]
    ]
    return Corpus(root, tuple(sources))


def write_corpus(root: Path, num_samples: int) -> Corpus:
    """Build the corpus with about `num_samples` samples; the description is written last."""
    from ib_data.cards import card_names, load_card

    photos = _write_photos(root / "photos")
    cards = [load_card(name) for name in card_names()]
    stored = [card for card in cards if card.stored_as == card.name]
    roots = {card.name: (card.size or 1) ** 0.5 for card in stored}
    sizes = {name: max(200, round(num_samples * value / sum(roots.values()))) for name, value in roots.items()}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_build, root, photos, name, _split(load_card(name)), sizes[name]) for name in sizes]
        built = dict(zip(sizes, [job.result() for job in jobs], strict=True))
    write_spec(root / "mixture.toml", [(c.name, _split(c), sizes[c.stored_as]) for c in cards])
    largest = max(sizes, key=lambda name: sizes[name])
    write_spec(root / "single.toml", [(largest, _split(load_card(largest)), sizes[largest])])
    shares = {card.name: sizes[card.stored_as] ** 0.5 for card in cards}
    total = sum(shares.values())
    sources = [
        Source(card.name, card.stored_as, _split(card), *built[card.stored_as], shares[card.name] / total)
        for card in cards
    ]
    text = json.dumps({"seed": SEED, "sources": [asdict(source) for source in sources]}, indent=1)
    (root / DESCRIPTION).write_text(text, encoding="utf-8")
    return Corpus(root, tuple(sources))


def write_spec(path: Path, members: list[tuple[str, str, int]]) -> None:
    """A mixture spec under the sqrt rule, with the built sizes as pinned sizes."""
    tables = [f'[[members]]\ndataset = "{name}"\nsplit = "{split}"\nsize = {size}\n' for name, split, size in members]
    path.write_text('rule = "sqrt"\n\n' + "\n".join(tables), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One of the images with a comment in its header, so that no two samples have the same bytes."""

    path: Path
    comment: str

    def read(self, dataset: str) -> bytes:
        """The image, with the comment right after its first marker."""
        data, text = self.path.read_bytes(), self.comment.encode()
        return data[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + data[2:]


def _split(card: Any) -> str:
    return "train" if "train" in card.splits else card.used_split


def _write_photos(folder: Path) -> list[Path]:
    """JPEGs of 640 x 480 at quality 90, 4:2:0, like real images in size and spectrum."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(NUM_PHOTOS):
        out = io.BytesIO()
        pixels = _pixels(np.random.default_rng([SEED, number]))
        Image.fromarray(pixels).save(out, "JPEG", quality=90, subsampling="4:2:0")
        paths.append(folder / f"{number:03d}.jpg")
        paths[-1].write_bytes(out.getvalue())
    return paths


def _pixels(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A scene of 1/f noise in three correlated channels with some sharp-edged shapes, (480, 640, 3)."""
    y, x = np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None, :]
    falloff = 1 / np.maximum(np.hypot(y, x), 1 / WIDTH) ** rng.uniform(1.2, 1.55)
    layers = []
    for _ in range(4):
        phases = rng.normal(size=falloff.shape) + 1j * rng.normal(size=falloff.shape)
        layer = np.fft.irfft2(phases * falloff, s=(HEIGHT, WIDTH))
        layers.append(layer / layer.std())
    scene = np.stack([layers[0] + 0.35 * layer for layer in layers[1:]], axis=-1) * 42 + rng.uniform(90, 160, 3)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for _ in range(12):
        top, left, radius = rng.uniform(0, HEIGHT), rng.uniform(0, WIDTH), rng.uniform(10, 90)
        inside = np.maximum(abs(rows - top), abs(columns - left) * rng.uniform(0.4, 1.6)) < radius
        scene[inside] = scene[inside] * 0.6 + rng.uniform(0, 255, 3) * 0.4
    return np.clip(scene, 0, 255).astype(np.uint8)


def _samples(dataset: str, split: str, count: int) -> Iterator[Any]:
    """Samples with every field that any template uses, so that each dataset renders by its own task."""
    from ib_data.sample import Annotation, Answer, Media, Sample, Turn

    labels = ("not hateful", "hateful") if dataset == "hateful_memes" else ("false", "true")
    for number in range(count):
        name = f"{dataset} {number}"
        annotation = Annotation(
            id=f"{number}",
            question=f"What is the colour of the thing that stands left of number {number} in the picture?",
            answers=(Answer("dark red", 6), Answer("red", 3), Answer(f"shade {number % 17}", 1)),
            caption=f"A drawing of {name}, with a few boxes of different colours on a cloudy ground.",
            options=("red", "blue", "green", "grey"),
            answer_index=number % 4,
            context=f"The picture belongs to {name}.",
            ocr_tokens=("exit", str(number), "open"),
            history=(Turn("Is it a photo?", "no"), Turn("Are there people?", "none that I see")),
            statement=f"Number {number} stands above the red box.",
            label=labels[number % 2],
        )
        media = Media(kind="image", source_name=f"{number}.jpg")
        yield Sample(
            key=f"{dataset}-{split}-{number:09d}", dataset=dataset, split=split, media=media, annotations=(annotation,)
        )


def _build(
    root: Path, photos: list[Path], dataset: str, split: str, count: int
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """One dataset of at least 4 shards, so that every peer can divide them among workers. Returns paths and counts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ib_data.builders.source.row import MediaRef
    from ib_data.builders.write.plan import Planned
    from ib_data.builders.write.shard_writer import ShardJob, rows_file, write_shard
    from ib_data.home import Home
    from ib_data.stored.index import DROPS_SCHEMA, SCHEMA, write_table
    from ib_data.stored.manifest import DROPS, INDEX, Manifest

    folder, parts = Home(root / "home").split(dataset, split), root / "parts" / dataset
    for path in (folder, parts, root / "extents"):
        path.mkdir(parents=True, exist_ok=True)
    first_photo = int.from_bytes(sha256(dataset.encode()).digest()[:4], "big")
    planned = []
    for number, sample in enumerate(_samples(dataset, split, count)):
        photo = photos[(first_photo + number) % len(photos)]
        place: Any = Drawn(photo, sample.key)
        planned.append(Planned(sample, MediaRef("drawn", number), place))
    per_shard = min(500, -(-count // 4))
    shards: list[Any] = []
    for first in range(0, count, per_shard):
        name = f"{dataset}-{split}-{len(shards):06d}.tar"
        some = planned[first : first + per_shard]
        job = ShardJob(
            name=name, folder=folder, parts=parts, planned=some, plan_sha256="", allow_missing=False, max_side=None
        )
        shards.append(write_shard(job).shard)
    index = pa.concat_tables([pq.read_table(rows_file(parts, shard.name), schema=SCHEMA) for shard in shards])
    pq.write_table(index, folder / INDEX, compression="zstd")
    write_table([], DROPS_SCHEMA, folder / DROPS)
    Manifest(
        dataset=dataset,
        split=split,
        num_samples=count,
        num_annotations=count,
        num_drops=0,
        index_sha256=sha256((folder / INDEX).read_bytes()).hexdigest(),
        drops_sha256=sha256((folder / DROPS).read_bytes()).hexdigest(),
        shards=tuple(shards),
        recipe={"benchmark": "stream"},
    ).write(folder)
    samples = tuple(shard.num_samples for shard in shards)
    numbers = np.repeat(np.arange(len(shards)), samples)
    columns = {name: index[name].to_numpy() for name in COLUMNS}
    np.savez(root / "extents" / f"{dataset}.npz", shard=numbers, **columns)
    below = folder.relative_to(root)
    return tuple(str(below / shard.name) for shard in shards), samples
