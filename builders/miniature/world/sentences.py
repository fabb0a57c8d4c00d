"""True sentences about a scene: captions, which leave out sizes, places, numbers and all shapes but the first three."""

from ib_data.builders.miniature.world.facts import named_shapes
from ib_data.builders.miniature.world.scene import Scene
from ib_data.builders.miniature.world.words import listing, with_article

NUM_SENTENCES = 5


def sentences(scene: Scene) -> list[str]:
    """Five true sentences about a scene."""
    pattern = "striped" if scene.is_textured else "plain"
    names = [with_article(shape.name) for shape in named_shapes(scene)]
    first, last, ground = names[0], names[-1], with_article(scene.background)
    return [
        f"{_start(listing(names))} on {ground} background.",
        f"A {pattern} {scene.background} background with {listing(names)}.",
        f"{_start(last)} in front of {ground} wall.",
        f"A drawing of {listing(names)}.",
        f"{_start(first)} next to {last}." if len(names) > 1 else f"A picture that shows {first}.",
    ]


def _start(phrase: str) -> str:
    return phrase[0].upper() + phrase[1:]
