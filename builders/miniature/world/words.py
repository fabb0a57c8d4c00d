"""Words for sentences about scenes, and common knowledge about colours and shapes."""

from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import Scene, Shape

NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
THINGS: dict[str, tuple[str, str, str]] = {
    "red": ("apple", "ladybug", "rose"),
    "orange": ("carrot", "pumpkin", "basketball"),
    "yellow": ("banana", "lemon", "duckling"),
    "green": ("frog", "cucumber", "leek"),
    "blue": ("sapphire", "sea", "blue jay"),
    "purple": ("grape", "plum", "eggplant"),
    "pink": ("flamingo", "pig", "piglet"),
    "brown": ("bear", "acorn", "walnut"),
    "white": ("swan", "egg", "polar bear"),
    "gray": ("elephant", "dolphin", "rock"),
    "black": ("raven", "tire", "panther"),
}
# No star: people count its five points or its ten corners.
CORNERS: dict[str, int] = {"circle": 0, "triangle": 3, "square": 4, "diamond": 4, "cross": 12}


def with_article(phrase: str) -> str:
    """`phrase` behind "a" or "an"."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def plural(kind: str) -> str:
    """The plural of a kind of shape."""
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def reference(scene: Scene, shape: Shape) -> str:
    """Words that mean this shape alone: "the star", or its place where there are two stars."""
    return f"the {shape.kind}" if shape in scene.unique_kinds() else f"the shape in the {shape.place}"


def pick_shape(population: Population, scene: Scene, stream: str) -> Shape:
    """One shape of the scene."""
    return scene.shapes[population.below(len(scene.shapes), stream, scene.image_id)]


def listing(names: list[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
