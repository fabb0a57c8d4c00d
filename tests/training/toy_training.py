"""A toy stream of drawn images, with the interface of `ib_data.mixtures.stream.stream`."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import Image, ImageDraw
from transformers import InstructBlipForConditionalGeneration

from ib_data.errors import DataError
from ib_data.home import Home
from ib_data.media.pixels import pixels
from ib_data.mixtures.stream.example import Example
from ib_data.sample import Annotation
from ib_data.stored.meter import Meter
from ib_data.stream_options import ImageOptions
from ib_data.templates.rendered import Rendered
from ib_data.training import trainer
from ib_data.training.config.train_config import TrainConfig, config_from
from ib_data.training.model import TinyShape, freeze, tiny_model
from ib_data.training.tokens import Tokens, build_tokens
from ib_data.training.trainer import Outcome

COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("circle", "square")


def example(position: int, instruction: str, target: str, media: bytes | None) -> Example:
    """An example in the real stream's form, decoded if it has an image."""
    rendered = Rendered(
        instruction=instruction,
        target=target,
        task="captioning",
        template="toy",
        template_sha256="0" * 64,
        dataset="toy",
        annotation_id="1",
        position=position,
        seed=0,
    )
    return Example(
        position=position,
        dataset="toy",
        split="train",
        key="toy-train-000000000001",
        annotation_id="1",
        epoch=0,
        annotation=Annotation(id="1"),
        rendered=rendered,
        media=media,
        media_kind="image",
        pixels=None if media is None else decoded(media),
    )


@cache
def decoded(media: bytes):
    """One array per image, as in a batch of the real stream."""
    return pixels(media, "image", ImageOptions(image_px=32))


def draw(colour: str, shape: str, size: tuple[int, int] = (48, 40)) -> bytes:
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    box = (8, 6, size[0] - 8, size[1] - 6)
    (pen.ellipse if shape == "circle" else pen.rectangle)(box, fill=colour)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def toy_example(position: int) -> Example:
    """Eight images, three questions each, in a mixed order."""
    colour, shape = COLOURS[position % 4], SHAPES[position // 4 % 2]
    texts = (
        ("What colour is the shape? Short answer:", colour),
        ("What shape is shown? Short answer:", shape),
        ("Caption:", f"a {colour} {shape} on white"),
    )
    return example(position, *texts[position // 8 % 3], draw(colour, shape))


class KilledError(BaseException):
    """Ends a run like SIGKILL: nothing runs after it."""


@dataclass
class ToyStream:
    """`stop_at` imitates a killed run: the batch with that position raises."""

    seed: int = 0
    stop_at: int | None = None
    meter: Meter = field(default_factory=Meter)

    def batch(self, start: int, count: int) -> list[Example]:
        if self.stop_at in range(start, start + count):
            raise KilledError
        return [toy_example(position + self.seed) for position in range(start, start + count)]

    def examples(self, start: int, count: int, *, with_pixels: bool) -> Iterator[Example]:
        assert not with_pixels, "vocabularies are made from texts alone"
        return (toy_example(position + self.seed) for position in range(start, start + count))

    def state(self, position: int) -> dict[str, Any]:
        return {"position": position, "seed": self.seed}

    def check_state(self, state: dict[str, Any]) -> int:
        if state["seed"] != self.seed:
            raise DataError("toy", f"the stream does not fit: seed was {state['seed']}, is {self.seed}")
        return state["position"]


def toy_config(**changes: Any) -> TrainConfig:
    """Six steps of eight examples: enough to see a change."""
    values: dict[str, Any] = {
        "mixture": "toy",
        "model": "miniature",
        "steps": 6,
        "batch_size": 8,
        "learning_rate": 2e-3,
        "warmup_steps": 2,
        "image_px": 32,
        "num_query_tokens": 8,
        "save_every": 3,
        "device": "cpu",
    }
    return config_from({**values, **changes})


def toy_tokens() -> Tokens:
    return build_tokens(
        t for p in range(24) for t in (toy_example(p).rendered.instruction, toy_example(p).rendered.target)
    )


def toy_model(tokens: Tokens, seed: int = 0) -> InstructBlipForConditionalGeneration:
    """A frozen model that fits `toy_config`."""
    shape = TinyShape(
        seed=seed,
        image_px=32,
        num_query_tokens=8,
        language_words=tokens.language.get_vocab_size(),
        qformer_words=tokens.qformer.get_vocab_size(),
        max_qformer_tokens=128,
    )
    model = tiny_model(shape, tokens)
    freeze(model)
    return model


def train_on(config: TrainConfig, stream: Any, out: Path, say: Callable[[str], None] = print) -> Outcome:
    """`train` over this stream in place of the mixture's."""
    of_mixture = {
        "_stream_options": lambda config: config.stream,
        "open_stream": lambda *_given, **_options: stream,
        "require_images": lambda _stream: None,
    }
    with patch.multiple(trainer, **of_mixture):
        return trainer.train(config, Home(out), out, say)


def silent(_line: str) -> None:
    pass
