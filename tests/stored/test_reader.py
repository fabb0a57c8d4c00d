"""A sample is read from the bytes of its extent, with all of its annotations or with those that are asked for."""

import io
import json
import tarfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from ib_data.builders.write.check import problems
from ib_data.cards import load_card
from ib_data.home import Home
from ib_data.sample import Annotation, Sample, SampleError
from ib_data.stored.built_split import BuiltSplit
from ib_data.stored.index import DROPS_SCHEMA, SCHEMA, Extent, index_rows, write_table
from ib_data.stored.manifest import DROPS, INDEX, Manifest, Shard
from ib_data.stored.sample_reader import OtherContentError, parse_stored
from ib_data.stored.store import LocalStore

PLAIN = {
    "key": "toy-train-1",
    "dataset": "toy",
    "split": "train",
    "media": {"kind": "image", "source_name": "1.jpg"},
    "annotations": [{"id": "1", "caption": "A cup."}, {"id": "2", "caption": "A red cup."}],
}


def laid(text: bytes, media: bytes | None, names: tuple[str, str] = ("toy-train-1.jpg", "toy-train-1.json")):
    """The bytes of a sample's members, and their extent 1,024 bytes into a shard."""
    out, start, places = io.BytesIO(), 1024, []
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in zip(names, (media, text), strict=True):
            if data is not None:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                places.append((start + tar.offset + 512, len(data)))
                tar.addfile(info, io.BytesIO(data))
        num_bytes = tar.offset
    picture = places[0] if media is not None else (None, None)
    extent = Extent(
        offset=start,
        num_bytes=num_bytes,
        json_offset=places[-1][0],
        json_bytes=places[-1][1],
        media_offset=picture[0],
        media_bytes=picture[1],
        media_extension="jpg" if media is not None else None,
    )
    return extent, out.getvalue()[:num_bytes]


@pytest.mark.parametrize("media", [b"\xff\xd8 picture", None])
def test_one_annotation_is_read_from_the_same_bytes_as_all(media: bytes | None) -> None:
    extent, data = laid(json.dumps(PLAIN).encode(), media)
    stored, found = parse_stored(extent, data)
    assert found == media
    assert stored.whole() == Sample.from_json(json.dumps(PLAIN))
    assert stored.annotation(1) == stored.whole().annotations[1] == Annotation(id="2", caption="A red cup.")


def test_a_faulty_annotation_is_for_who_asks_for_it() -> None:
    faulty = {**PLAIN, "annotations": [*PLAIN["annotations"], {"id": "3", "caption": ""}]}
    extent, data = laid(json.dumps(faulty).encode(), b"picture")
    stored, _ = parse_stored(extent, data)
    assert stored.annotation(0).caption == "A cup."
    says = r"sample.annotations\[2\].caption: expected a non-empty text, found ''"
    with pytest.raises(SampleError, match=says):
        stored.annotation(2)
    with pytest.raises(SampleError, match=says):
        stored.whole()


def write_split(folder: Path, text: bytes) -> Manifest:
    """A split of one sample whose JSON is `text`, though its index is that of PLAIN; its manifest fits the files."""
    folder.mkdir(parents=True)
    extent, data = laid(text, None)
    (folder / "a.tar").write_bytes(data)
    rows = index_rows(Sample.from_json(json.dumps(PLAIN)), "a.tar", replace(extent, offset=0, json_offset=512))
    write_table(rows, SCHEMA, folder / INDEX)
    write_table([], DROPS_SCHEMA, folder / DROPS)
    index, drops, shard = (sha256((folder / name).read_bytes()).hexdigest() for name in (INDEX, DROPS, "a.tar"))
    return Manifest(
        dataset="toy",
        split="train",
        num_samples=1,
        num_annotations=2,
        num_drops=0,
        index_sha256=index,
        drops_sha256=drops,
        shards=(Shard(name="a.tar", num_samples=1, num_annotations=2, num_bytes=len(data), sha256=shard),),
        recipe={},
    )


def test_check_names_a_faulty_annotation_where_it_decodes(tmp_path: Path) -> None:
    card, folder = load_card("coco_caption"), tmp_path / "toy" / "train"
    store = LocalStore(Home(tmp_path), verify=False)
    good = write_split(folder, json.dumps(PLAIN).encode())
    assert list(problems(card, BuiltSplit(store, folder, good), decode=True)) == []
    faulty = {**PLAIN, "annotations": [PLAIN["annotations"][0], {"id": "2", "capton": "A red cup."}]}
    folder = tmp_path / "harmed" / "toy" / "train"
    harmed = BuiltSplit(store, folder, write_split(folder, json.dumps(faulty).encode()))
    assert list(problems(card, harmed)) == []  # the hashes fit: a build wrote it so
    (line,) = problems(card, harmed, decode=True)
    assert line.startswith("toy-train-1: toy: ")
    assert "byte 0: sample.annotations[1]: unknown key 'capton'; did you mean 'caption'?" in line


@pytest.mark.parametrize(
    ("text", "names", "says"),
    [
        (b"{", ("toy-train-1.jpg", "toy-train-1.json"), "a sample's JSON cannot be read"),
        (b"{}", ("toy-train-1.jpg", "toy-train-1.json"), "sample: key 'key' is missing"),
        (json.dumps(PLAIN).encode(), ("toy-train-2.jpg", "toy-train-1.json"), "found 'toy-train-2.jpg'"),
        (json.dumps(PLAIN).encode(), ("toy-train-1.jpg", "toy-train-2.json"), "found 'toy-train-2.json'"),
    ],
)
def test_other_bytes_are_refused_with_their_place(text: bytes, names: tuple[str, str], says: str) -> None:
    extent, data = laid(text, b"picture", names)
    with pytest.raises((OtherContentError, SampleError), match=says):
        parse_stored(extent, data)
