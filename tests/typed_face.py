"""A program of a user, for mypy alone (`make check`): the public names have the types that they seem to have."""

from pathlib import Path
from typing import Any, assert_type

import ib_data
from ib_data import Home, IbDataError, ImageOptions, QueryResult, StreamLoader, StreamOptions
from ib_data.mixtures.loader.image_batch import ImageBatch
from ib_data.mixtures.stream.example import Example
from ib_data.mixtures.stream.stream import Stream
from ib_data.sample import Annotation, Sample
from ib_data.stored.built_split import BuiltSplit
from ib_data.stored.manifest import Manifest
from ib_data.templates.rendered import Rendered


def main() -> None:
    """Every name once."""
    home = Home("~/ib_data")
    assert_type(ib_data.build("vqav2", home, mini=True, source=["a"], workers=2), list[Manifest])
    split = ib_data.open_split("~/ib_data", "vqav2", "train")
    assert_type(split, BuiltSplit)
    assert_type(split.annotation(0), Annotation)
    assert_type(split[-1], Annotation)
    for annotation in split:
        assert_type(annotation, Annotation)
    assert_type(split.sample_at(0), Sample)
    assert_type(ib_data.render("vqav2", split.annotation(0), seed=1, position=2), Rendered)
    assert_type(ib_data.render("vqav2", {"id": "1", "question": "?"}), Rendered)
    found = ib_data.query(None, "FROM datasets")
    assert_type(found, QueryResult)
    assert_type(found.dicts(), list[dict[str, Any]])
    options = StreamOptions(images=ImageOptions(image_px=64), templates="~/mine")
    stream = ib_data.open_stream(home.root, "demo", options=options)
    assert_type(stream, Stream)
    assert_type(ib_data.open_stream(None, Path("mine.toml"), options=StreamOptions(templates="tpl")), Stream)
    assert_type(stream.batch(0, 4), list[Example])
    loader = StreamLoader(stream, 8)
    assert_type(loader, StreamLoader[ImageBatch])
    for batch in loader:
        assert_type(batch, ImageBatch)
    try:
        ib_data.to_webdataset(home, "vqav2").shuffle(10)
        len(ib_data.to_datasets(home, "vqav2"))
    except IbDataError as error:
        print(error)
