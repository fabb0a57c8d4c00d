"""True sentences about a scene."""

from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import Scene
from ib_data.builders.miniature.world.words import NUMBERS, listing, plural, reference, with_article


def sentences(scene: Scene, population: Population) -> list[str]:
    """Five true sentences about a scene."""
    shapes, pattern = scene.shapes, "striped" if scene.is_textured else "plain"
    names = [with_article(shape.name) for shape in shapes]
    first, last = shapes[0], shapes[-1]
    noun = "shape" if len(shapes) == 1 else "shapes"
    kinds = sorted({shape.kind for shape in shapes})
    kind = kinds[population.below(len(kinds), "caption.kind", scene.image_id)]
    count = scene.count(kind)
    return [
        f"{_start(listing(names))} on {with_article(scene.background)} background.",
        f"There {'is' if len(shapes) == 1 else 'are'} {NUMBERS[len(shapes)]} {noun} on a {pattern} background.",
        f"{_start(with_article(f'{last.size} {last.name}'))} in the {last.place} of the picture.",
        f"A {pattern} {scene.background} background with {NUMBERS[count]} {kind if count == 1 else plural(kind)}.",
        _relation(scene) or f"{_start(reference(scene, first))} is {first.colour} and {first.size}.",
    ]


def _relation(scene: Scene) -> str | None:
    first, last = scene.shapes[0], scene.shapes[-1]
    if first.column < last.column:
        return f"{_start(with_article(first.name))} to the left of {with_article(last.name)}."
    if first.row < last.row:
        return f"{_start(with_article(first.name))} above {with_article(last.name)}."
    return None


def _start(phrase: str) -> str:
    return phrase[0].upper() + phrase[1:]
