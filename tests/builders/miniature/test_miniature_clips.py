"""The miniature's clips match the questions about them, and include odd cases of real clips."""

import csv
import io
import json
import tarfile
from collections import Counter

import numpy as np
import pytest
from mini_mirror import WORLD, content

from ib_data.builders.miniature.world import clips
from ib_data.builders.miniature.world.encoding import encode
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import ALL_COLOURS
from ib_data.cards import media_stores
from ib_data.media.frames import frames, inspect

DATASETS = ("msvd_qa", "msrvtt_qa", "ivqa")


def colour_at(frame: np.ndarray, shape) -> str:
    """The name of the colour in the middle of a shape's cell."""
    height, width = frame.shape[:2]
    x, y = (2 * shape.column + 1) * width // 6, (2 * shape.row + 1) * height // 6
    found = frame[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(axis=0)
    return min(ALL_COLOURS, key=lambda name: float(((np.array(ALL_COLOURS[name]) - found) ** 2).sum()))


@pytest.mark.parametrize("container", ["mp4", "avi"])
@pytest.mark.parametrize("dataset", DATASETS)
def test_a_clip_shows_its_shape_as_its_facts_say(dataset: str, container: str) -> None:
    for number in range(20):
        scenes = clips.scenes(WORLD, dataset, number)
        data = encode(scenes, container)
        found = inspect(data)
        assert found.num_frames == len(scenes)
        assert (found.width, found.height) == (scenes[0].width, scenes[0].height)
        first, last = frames(data, len(scenes))[[0, -1]]
        assert colour_at(first, scenes[0].shapes[0]) == scenes[0].shapes[0].colour
        assert colour_at(last, scenes[-1].shapes[0]) == scenes[-1].shapes[0].colour


@pytest.mark.parametrize("dataset", DATASETS)
def test_questions_are_answered_by_the_clip(dataset: str) -> None:
    seen = Counter()
    for number in range(40):
        scenes = clips.scenes(WORLD, dataset, number)
        first, last = scenes[0].shapes[0], scenes[-1].shapes[0]
        for text, answers in clips.questions(WORLD, dataset, number):
            if text.startswith("what is moving"):
                way = text.removesuffix("?").split()[-1]
                step = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}[way]
                assert (np.sign(last.column - first.column), np.sign(last.row - first.row)) == step
                assert answers[0] == first.kind
                seen[way] += 1
            elif text.startswith("what color") and text.endswith("turn?"):
                assert answers[0] == last.colour != first.colour
                seen["turns"] += 1
            elif text.startswith("what color"):
                assert answers[0] == first.colour
    assert set(seen) == {"left", "right", "up", "down", "turns"}


def test_clips_include_odd_cases() -> None:
    for dataset in DATASETS:
        films = [clips.scenes(WORLD, dataset, number) for number in range(40)]
        assert {len(film) for film in films} >= {1}
        assert all(len(film) in (1, *range(8, 17)) for film in films)
        assert {film[0].width < film[0].height for film in films} == {True, False}


def test_the_same_clips_have_the_same_bytes() -> None:
    scenes = clips.scenes(WORLD, "msvd_qa", 5)
    for container in ("avi", "mp4"):
        assert encode(scenes, container) == encode(scenes, container)


def test_msvd_of_the_miniature_has_the_odd_rows(folder) -> None:
    mapping = content(folder, "msvd_qa", role="clip names").decode().splitlines()
    numbers = {int(line.rpartition("vid")[2]) for line in mapping}
    asked, ids = set(), []
    for split in ("train", "validation", "test"):
        rows = json.loads(content(folder, "msvd_qa", split))
        asked |= {row["video_id"] for row in rows}
        ids += [row["id"] for row in rows]
        several = Counter((row["video_id"], row["question"]) for row in rows)
        assert max(several.values()) >= 3
    assert ids == list(range(len(ids)))
    assert asked < numbers
    store = media_stores()["msvd_videos"]
    with tarfile.open(folder / store.file.place) as tar:
        assert set(tar.getnames()) == {store.member(line.split()[0]) for line in mapping}


def test_ivqa_of_the_miniature_has_empty_answers_and_commas(folder) -> None:
    rows = [row for split in ("train", "validation", "test") for row in csv_rows(content(folder, "ivqa", split))]
    assert len(rows) == 40
    assert any(row["answer5"] == "" for row in rows)
    assert any("," in row["question"] for row in rows)
    assert all(int(row["start"]) < int(row["end"]) for row in rows)


def csv_rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_small_and_large_miniatures_number_clips_alike() -> None:
    for size in (1, 16, 100):
        population = Population(seed=3, num_images=size)
        parts = [clips.numbers_of(population, split) for split in ("train", "validation", "test")]
        assert [number for part in parts for number in part] == list(range(max(16, size)))
        assert all(len(part) >= 4 for part in parts)
