"""A folder with a dataset of one's own: a card, a builder, images, templates and a mixture."""

from pathlib import Path

from PIL import Image

CARD = """---
name: birds
task: question_answering
media: [birds_images]
fields: [question, answers]
files:
  - name: birds.jsonl
    split: train
splits:
  train: {}
---
Questions about birds.
"""
STORES = """[birds_images]
layout = "photos/{image_id}.jpg"
"""
BUILDER = '''"""Birds: a question a line."""

from collections.abc import Iterator
from dataclasses import dataclass

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, count_answers
from ib_data.sample import Annotation


@dataclass(frozen=True)
class Seen:
    """A class in a builder works too."""

    number: int


def rows(files: Files) -> Iterator[Row | Drop]:
    """An annotation a line."""
    for row in files.lines("annotations"):
        yield Row(
            MediaRef("birds_images", row.get("image", str)),
            Annotation(
                id=str(Seen(row.get("id", int)).number),
                question=row.get("question", str),
                answers=count_answers([row.get("answer", str)]),
            ),
        )
'''
TEMPLATES = """target = '{{ answer }}'

[train]
bird_watcher = 'Bird watcher, {{ question }}'
"""
MIXTURE = """rule = "sqrt"

[[members]]
dataset = "birds"
split = "train"
size = 3
"""
ROWS = """{"id": 7, "image": "robin", "question": "What bird is it?", "answer": "robin"}
{"id": 8, "image": "robin", "question": "How many are there?", "answer": "one"}
{"id": 9, "image": "wren", "question": "What bird is it?", "answer": "wren"}
"""


def write_folder(folder: Path) -> Path:
    """The folder of the dataset `birds`, as `--datasets` takes it."""
    for name, text in {
        "birds.md": CARD,
        "birds.py": BUILDER,
        "media.toml": STORES,
        "README.md": "No card.\n",
        "templates/question_answering.toml": TEMPLATES,
        "mixtures/garden.toml": MIXTURE,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def write_source(folder: Path) -> Path:
    """Its files, as `--source` takes them."""
    (folder / "photos").mkdir(parents=True)
    (folder / "birds.jsonl").write_text(ROWS)
    for name, colour in {"robin": (180, 60, 40), "wren": (120, 90, 60)}.items():
        Image.new("RGB", (64, 48), colour).save(folder / "photos" / f"{name}.jpg")
    return folder
