"""Reading a written miniature in tests, with the facts on the cards."""

import json
import re
import tarfile
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import KINDS
from ib_data.cards import load_card

PLACES = {
    f"{row} {column}": (x, y)
    for y, row in enumerate(("top", "middle", "bottom"))
    for x, column in enumerate(("left", "center", "right"))
} | {"center": (1, 1)}
WORLD = Population(seed=0, num_images=40)


def place(folder: Path, url: str) -> Path:
    return folder / urlsplit(url).hostname / urlsplit(url).path.lstrip("/")


def content(folder, dataset, split=None, role="annotations", form=None):
    """The bytes that a card's file entry points at."""
    files = [f for f in load_card(dataset).files if (f.split, f.role, f.form) == (split, role, form)]
    (file,) = files
    path = folder / file.place
    if file.member is None:
        return path.read_bytes()
    if path.name.endswith(".zip"):
        return zipfile.ZipFile(path).read(file.member)
    with tarfile.open(path) as tar:
        return tar.extractfile(file.member).read()


def value(folder, *arguments, **keywords):
    return json.loads(content(folder, *arguments, **keywords))


def shape_meant(scene, text):
    """The shape that "the star" or "the shape in the top left" means."""
    at = re.search(rf"the shape in the ({'|'.join(PLACES)})", text)
    if at:
        return next(s for s in scene.shapes if (s.column, s.row) == PLACES[at[1]])
    kind = re.search(rf"the ({'|'.join(KINDS)})", text)[1]
    (shape,) = [s for s in scene.shapes if s.kind == kind]
    return shape
