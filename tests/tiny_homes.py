"""A tiny home: vqav2, okvqa and coco_caption, built by the project's own writers without any official file."""

import io
import logging
import tarfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from ib_data.cli import group
from ib_data.home import Home
from ib_data.sample import Annotation, Answer, Media, Sample
from ib_data.stored.index import DROPS_SCHEMA, SCHEMA, Extent, index_rows, write_table
from ib_data.stored.manifest import DROPS, INDEX, Manifest, Shard

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
    if dataset == "hateful_memes":
        return tuple(Annotation(id=i, label="hateful") for i in ids)
    return tuple(Annotation(id=i, question=f"what colour is {i}?", answers=ANSWERS) for i in ids)


Picture = Callable[[str, int], bytes]


def no_picture(dataset: str, number: int) -> bytes:
    """Bytes that begin as a JPEG does and tell which they are."""
    return b"\xff\xd8" + f"{dataset} {number}".encode() * 5


def jpeg(dataset: str, number: int) -> bytes:
    """A JPEG of one colour, another for each dataset and number."""
    colour = tuple(sha256(f"{dataset} {number}".encode()).digest()[:3])
    out = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(out, "JPEG")
    return out.getvalue()


def _sample(dataset: str, split: str, number: int, picture: Picture) -> tuple[Sample, bytes]:
    image = picture(dataset, number)
    media = Media(kind="image", source_name=f"{number}.jpg", width=8, height=6, sha256=sha256(image).hexdigest())
    key = f"{dataset}-{split}-{number:06d}"
    return Sample(key=key, dataset=dataset, split=split, media=media, annotations=_annotations(dataset, number)), image


def build(
    home: Home,
    dataset: str,
    num_samples: int,
    split: str = "train",
    shard_samples: int = 8,
    picture: Picture = no_picture,
) -> Path:
    """Two annotations a sample; the media member comes first. Written again where it was built before."""
    folder = home.split(dataset, split)
    folder.mkdir(parents=True, exist_ok=True)
    rows, shards = [], []
    for first in range(0, num_samples, shard_samples):
        name = f"{dataset}-{split}-{len(shards):06d}.tar"
        numbers = range(first, min(first + shard_samples, num_samples))
        with tarfile.open(folder / name, "w", format=tarfile.USTAR_FORMAT) as tar:
            for number in numbers:
                sample, image = _sample(dataset, split, number, picture)
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
def jpeg_of() -> Picture:
    """`jpeg`, as a fixture."""
    return jpeg


@pytest.fixture(scope="session")
def tiny_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with 20 samples of vqav2, 3 of okvqa and 9 of coco_caption, for tests that only read it."""
    home = Home(tmp_path_factory.mktemp("home"))
    build(home, "vqav2", 20)
    build(home, "okvqa", 3)
    build(home, "coco_caption", 9)
    return home


@pytest.fixture(scope="session")
def picture_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """As `tiny_home`, with pictures that decode; for tests that only read it."""
    home = Home(tmp_path_factory.mktemp("pictures"))
    for dataset, num_samples in (("vqav2", 20), ("okvqa", 3), ("coco_caption", 9)):
        build(home, dataset, num_samples, picture=jpeg)
    return home


@pytest.fixture
def empty_home(tmp_path: Path) -> Home:
    """A home where nothing is built."""
    home = Home(tmp_path / "empty")
    home.root.mkdir()
    return home


@pytest.fixture
def far(tmp_path: Path) -> Home:
    """A home whose shards stand for a store that the test may damage."""
    home = Home(tmp_path / "far")
    build(home, "vqav2", 20)
    return home


@pytest.fixture
def near(tmp_path: Path) -> Home:
    """The home of who reads from `far`."""
    return Home(tmp_path / "near")


@pytest.fixture(scope="module")
def bucket(tiny_home: Home) -> Iterator[str]:
    """The URL of a folder with the shards of `tiny_home`, in an S3 server of this machine."""
    # Here, since processes that a test spawns need none of it: a second of imports.
    import s3fs
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        remote = s3fs.S3FileSystem()
        if not remote.exists("ib-data"):  # the servers of one process share what they hold
            remote.mkdir("ib-data")
        shards = tiny_home.root / "shards"
        for path in sorted(shards.glob("*/*/*")):
            remote.pipe_file(f"ib-data/run/shards/{path.relative_to(shards)}", path.read_bytes())
        yield "s3://ib-data/run/shards"
        s3fs.S3FileSystem.clear_instance_cache()  # the next server has another port
    server.stop()


@pytest.fixture(scope="session")
def dialogues(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the miniature's conversations, 174 turns of 58, for tests that only read it."""
    home = Home(tmp_path_factory.mktemp("dialogues"))
    words = ["build", "llava_conversation", "--mini", "--no-media", "--home", str(home.root)]
    assert CliRunner().invoke(group, words).exit_code == 0
    return home
