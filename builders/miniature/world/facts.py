"""What an image of the drawn world shows, as facts: short texts whose words decide what is asked about the image.

A language model that reads the facts in place of the image can answer. The order of the words of a fact means nothing.
"""

from ib_data.builders.miniature.world.scene import Scene, Shape
from ib_data.builders.miniature.world.signs import Sign

NUM_NAMED = 3  # a caption names so many shapes; questions may be about any of them


def shape_fact(shape: Shape) -> str:
    """A shape with all that can be asked about it: `top left large red star`."""
    return f"{shape.place} {shape.size} {shape.name}"


def count_fact(scene: Scene, kind: str) -> str:
    """How many shapes of a kind there are, which may be none: `count 0 star`."""
    return f"count {scene.count(kind)} {kind}"


def ground_fact(scene: Scene) -> str:
    """The background, the form and the number of shapes: `striped beige background color wide 3 shapes`."""
    pattern = "striped" if scene.is_textured else "plain"
    form = "upright" if scene.height > scene.width else "wide"
    tone = "grey" if scene.is_greyscale else "color"
    return f"{pattern} {scene.background} background {tone} {form} {len(scene.shapes)} shapes"


def named_shapes(scene: Scene) -> tuple[Shape, ...]:
    """The shapes that captions name."""
    return scene.shapes[:NUM_NAMED]


def caption_facts(scene: Scene) -> list[str]:
    """What captions say and no more: the background, then colour and kind of the shapes that they name."""
    pattern = "striped" if scene.is_textured else "plain"
    return [f"{pattern} {scene.background} background", *(shape.name for shape in named_shapes(scene))]


def sign_facts(one: Sign) -> list[str]:
    """What two boards say, and the colours: `upper red board TEA`, `lower blue board 42`, `white wall`."""
    return [f"upper {one.upper} board {one.word}", f"lower {one.lower} board {one.price}", f"{one.wall} wall"]
