"""The builder of every dataset by name: the packaged ones, and those beside your own cards."""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

from ib_data.builders import (
    aokvqa,
    coco_caption,
    flickr30k,
    gqa,
    hateful_memes,
    iconqa,
    ivqa,
    llava_conversation,
    llava_detail,
    llava_reasoning,
    msrvtt_qa,
    msvd_qa,
    nocaps,
    ocrvqa,
    okvqa,
    scienceqa,
    textcaps,
    textvqa,
    visdial,
    vizwiz,
    vqav2,
    vsr,
    web_capfilt,
)
from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, Row
from ib_data.cards import Card
from ib_data.errors import IbDataError

Rows = Callable[[Files], Iterator[Row | Drop]]

BUILDERS: Mapping[str, Rows] = {
    "aokvqa": aokvqa.rows,
    "coco_caption": coco_caption.rows,
    "flickr30k": flickr30k.rows,
    "gqa": gqa.rows,
    "hateful_memes": hateful_memes.rows,
    "iconqa": iconqa.rows,
    "ivqa": ivqa.rows,
    "llava_conversation": llava_conversation.rows,
    "llava_detail": llava_detail.rows,
    "llava_reasoning": llava_reasoning.rows,
    "msrvtt_qa": msrvtt_qa.rows,
    "msvd_qa": msvd_qa.rows,
    "nocaps": nocaps.rows,
    "ocrvqa": ocrvqa.rows,
    "okvqa": okvqa.rows,
    "scienceqa": scienceqa.rows,
    "textcaps": textcaps.rows,
    "textvqa": textvqa.rows,
    "visdial": visdial.rows,
    "vizwiz": vizwiz.rows,
    "vqav2": vqav2.rows,
    "vsr": vsr.rows,
    "web_capfilt": web_capfilt.rows,
}


def builder_of(card: Card) -> Rows:
    """The function from a dataset's files to its rows; for your own card, `rows` of NAME.py beside it."""
    return _own_builder(card.folder / f"{card.name}.py") if card.folder else BUILDERS[card.name]


@cache
def _own_builder(file: Path) -> Rows:
    """Import `file` under a private module name and return its function `rows`.

    Raises IbDataError if the file or the function is missing, or if the import fails.
    """
    if not file.is_file():
        raise IbDataError(f"{file} is missing; put the builder of a dataset beside its card")
    spec = importlib.util.spec_from_file_location(f"ib_data.builders.outside.{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise IbDataError(f"{file} cannot be imported ({type(error).__name__}: {error})") from error
    rows = getattr(module, "rows", None)
    if not callable(rows):
        raise IbDataError(f"{file} has no function `rows`; write one that takes Files and yields Row and Drop")
    found: Rows = rows
    return found
