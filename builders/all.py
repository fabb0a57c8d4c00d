"""The builder of every dataset, by its name."""

from collections.abc import Callable, Iterator, Mapping

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
