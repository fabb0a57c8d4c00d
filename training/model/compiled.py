"""torch.compile for the parts that take the time, where a run asks for it."""

from typing import Any

from ib_data.training.model.parts import outer_layers


def compile_parts(model: Any, backend: str = "inductor") -> None:
    """Compile the vision encoder, the Q-Former and every layer of the language model, in place.

    Layer by layer: equal layers share their code, and what runs between them (a head that sees only the targets, a
    gathered shard) stays outside. Names of parameters do not change.
    """
    for part in (model.vision_model, model.qformer, *outer_layers(model.language_model)):
        part.compile(backend=backend)
