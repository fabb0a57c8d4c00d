"""MSVD-QA of the miniature: clips as AVI, and a list of their names by number.

Includes odd rows of the real files: a clip without questions, one question with several answers, an answer that is not
a word.
"""

from collections.abc import Iterator
from functools import partial

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.clips import asked, clip_name, num_clips, numbers_of, scenes, video_id
from ib_data.builders.miniature.world.encoding import encode
from ib_data.builders.miniature.world.population import Population
from ib_data.cards import Card, SourceFile, media_stores


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official file of MSVD-QA."""
    if file.split is None:
        numbers = sorted(range(num_clips(population)), key=partial(clip_name, population, "msvd_qa"))
        lines = (
            f"{clip_name(population, 'msvd_qa', number)} vid{video_id(population, 'msvd_qa', number)}\n"
            for number in numbers
        )
        return {file.name: "".join(lines).encode("ascii")}
    rows = [
        {"id": row_id, "video_id": video_id(population, "msvd_qa", number), "question": text, "answer": answer}
        for row_id, (number, text, answer) in enumerate(asked(population, "msvd_qa"))
        if number in numbers_of(population, file.split)
    ]
    return {file.name: json_bytes(rows)}


def clips(population: Population) -> Iterator[tuple[str, bytes]]:
    """(member name, AVI) of every clip of MSVD."""
    store = media_stores()["msvd_videos"]
    for number in range(num_clips(population)):
        name = store.member(clip_name(population, "msvd_qa", number))
        yield name, encode(scenes(population, "msvd_qa", number), "avi")


MEDIA = {"msvd_videos": clips}
