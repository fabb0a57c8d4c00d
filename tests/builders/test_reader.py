"""A sample is read from the bytes of its extent, with all of its annotations or with those that are asked for."""

import io
import json
import tarfile

import pytest

from ib_data.builders.index import Extent
from ib_data.builders.reader import parse_sample, parse_stored
from ib_data.errors import DataError
from ib_data.sample import Annotation, SampleError

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
    sample, found = parse_sample("toy", "a.tar", extent, data)
    stored, same = parse_stored("toy", "a.tar", extent, data)
    assert found == same == media
    assert stored.whole() == sample
    assert stored.annotation(1) == sample.annotations[1] == Annotation(id="2", caption="A red cup.")


def test_a_faulty_annotation_is_for_who_asks_for_it() -> None:
    faulty = {**PLAIN, "annotations": [*PLAIN["annotations"], {"id": "3", "caption": ""}]}
    extent, data = laid(json.dumps(faulty).encode(), b"picture")
    stored, _ = parse_stored("toy", "a.tar", extent, data)
    assert stored.annotation(0).caption == "A cup."
    says = r"sample.annotations\[2\].caption: expected a non-empty text, found ''"
    with pytest.raises(SampleError, match=says):
        stored.annotation(2)
    with pytest.raises(DataError, match=rf"toy: a.tar: byte 1024: {says}.* build toy again"):
        parse_sample("toy", "a.tar", extent, data)


@pytest.mark.parametrize(
    ("text", "names", "says"),
    [
        (b"{", ("toy-train-1.jpg", "toy-train-1.json"), "a sample's JSON cannot be read"),
        (b"{}", ("toy-train-1.jpg", "toy-train-1.json"), "sample: key 'key' is missing"),
        (json.dumps(PLAIN).encode(), ("toy-train-2.jpg", "toy-train-1.json"), "found 'toy-train-2.jpg'"),
        (json.dumps(PLAIN).encode(), ("toy-train-1.jpg", "toy-train-2.json"), "found 'toy-train-2.json'"),
    ],
)
@pytest.mark.parametrize("parse", [parse_sample, parse_stored])
def test_other_bytes_are_refused_with_their_place(parse, text: bytes, names: tuple[str, str], says: str) -> None:
    extent, data = laid(text, b"picture", names)
    with pytest.raises(DataError, match=rf"toy: a.tar: byte 1024: .*{says}.* build toy again"):
        parse("toy", "a.tar", extent, data)
