"""iVQA of the miniature: clips at URLs of their own, and a question with five answers on each.

Includes odd rows of the real files: an empty answer, and a comma inside a question.
"""

import csv
import io
from collections.abc import Iterator

from ib_data.builders.miniature.world.clips import clip_name, num_clips, numbers_of, questions, scenes
from ib_data.builders.miniature.world.encoding import encode
from ib_data.builders.miniature.world.population import Population
from ib_data.cards import Card, SourceFile, media_stores

_COLUMNS = ("video_id", "start", "end", "question", *(f"answer{i}" for i in range(1, 6)))
_VOTES = ((0, 0, 0, 0, 0), (0, 0, 0, 0, 1), (0, 0, 0, 1, None), (0, 0, 1, 1, 0))  # None: an empty answer


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official file of iVQA."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for number in numbers_of(population, str(file.split)):
        video, start, end = clip_name(population, "ivqa", number).rsplit("_", 2)
        writer.writerow([video, start, end, *_five_answers(population, number)])
    return {file.name: out.getvalue().encode("utf-8")}


def clips(population: Population) -> Iterator[tuple[str, bytes]]:
    """(URL, MP4) of every clip of iVQA."""
    each = str(media_stores()["ivqa_clips"].each)
    for number in range(num_clips(population)):
        url = each.format(image_id=clip_name(population, "ivqa", number))
        yield url, encode(scenes(population, "ivqa", number), "mp4")


def _five_answers(population: Population, number: int) -> list[str]:
    """The question of a row of iVQA and its five answers."""
    found = questions(population, "ivqa", number)
    text, answers = found[population.below(len(found), "ivqa.question", number)]
    votes = _VOTES[number % len(_VOTES)]
    start = "in the film, " if number % 2 else ""
    return [f"{start}{text}", *("" if vote is None else answers[vote] for vote in votes)]


MEDIA = {"ivqa_clips": clips}
