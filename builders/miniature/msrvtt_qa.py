"""MSRVTT-QA of the miniature: clips as MP4, and questions with a category."""

from collections.abc import Iterator

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.clips import asked, num_clips, numbers_of, scenes, video_id
from ib_data.builders.miniature.world.encoding import encode
from ib_data.builders.miniature.world.population import Population
from ib_data.cards import Card, SourceFile, media_stores

_NUM_CATEGORIES = 20


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official file of MSRVTT-QA."""
    rows = [
        {
            "answer": answer,
            "category_id": population.below(_NUM_CATEGORIES, "msrvtt_qa.category", number),
            "id": row_id,
            "question": text,
            "video_id": video_id(population, "msrvtt_qa", number),
        }
        for row_id, (number, text, answer) in enumerate(asked(population, "msrvtt_qa"))
        if number in numbers_of(population, str(file.split))
    ]
    return {file.name: json_bytes(rows)}


def clips(population: Population) -> Iterator[tuple[str, bytes]]:
    """(member name, MP4) of every clip of MSR-VTT."""
    store = media_stores()["msrvtt_videos"]
    for number in range(num_clips(population)):
        name = store.member(video_id(population, "msrvtt_qa", number))
        yield name, encode(scenes(population, "msrvtt_qa", number), "mp4")


MEDIA = {"msrvtt_videos": clips}
