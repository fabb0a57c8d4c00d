"""A toy stream of drawn images, with the interface of `ib_data.mixtures.stream.stream`."""

import io
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest.mock import patch

from PIL import Image, ImageDraw
from toy_models import shared_toy_folder
from toy_texts import COLOURS, QUESTIONS, SHAPES

from ib_data.errors import DataError
from ib_data.home import Home
from ib_data.media.pixels import pixels
from ib_data.mixtures.order.schedule import Schedule
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.spec.weights import stage_quotas
from ib_data.mixtures.stream.example import Example
from ib_data.sample import Annotation
from ib_data.stored.meter import Meter
from ib_data.stream_options import ImageOptions
from ib_data.templates.rendered import Rendered
from ib_data.training.batch.collator import Collator
from ib_data.training.config.train_config import TrainConfig, config_from
from ib_data.training.loop import trainer
from ib_data.training.loop.trainer import Outcome
from ib_data.training.model.load import LoadedModel, load_model


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
    targets = (colour, shape, f"a {colour} {shape} on white")
    kind = position // 8 % 3
    return example(position, QUESTIONS[kind], targets[kind], draw(colour, shape))


class KilledError(BaseException):
    """Ends a run like SIGKILL: nothing runs after it."""


@dataclass
class ToyStream:
    """`stop_at` imitates a killed run: the batch with that position raises. With `die_at` the process really dies.

    `fail_at`: the forward pass about that position finds no memory.
    """

    seed: int = 0
    stop_at: int | None = None
    die_at: int | None = None
    fail_at: int | None = None
    meter: Meter = field(default_factory=Meter)

    @property
    def mixture(self) -> Mixture:
        return Mixture(name="toy", rule="sqrt", members=(Member(dataset="toy", split="train", size=24),))

    @property
    def schedule(self) -> Schedule:
        return Schedule(stage_quotas(self.mixture), {"toy": 24}, self.seed)

    def batch(self, start: int, count: int) -> list[Example]:
        if self.stop_at in range(start, start + count):
            raise KilledError
        if self.die_at in range(start, start + count):
            os.kill(os.getpid(), signal.SIGKILL)
        return [toy_example(position + self.seed) for position in range(start, start + count)]

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
        "model": str(shared_toy_folder()),
        "steps": 6,
        "batch_size": 8,
        "learning_rate": 2e-3,
        "warmup_steps": 2,
        "image_px": 32,
        "validate_every": 0,
        "tensorboard": False,
        "keep": 100,
        "save_every": 3,
        "device": "cpu",
    }
    return config_from({**values, **changes})


def toy_loaded(family: str = "llama", **options: Any) -> LoadedModel:
    """A frozen model that fits `toy_config`."""
    return load_model(shared_toy_folder(family), **options)


def toy_collator(family: str = "llama", **changes: Any) -> Collator:
    """The collator of `toy_loaded`."""
    loaded = _once(family)
    lengths = {name: changes.pop(name, default) for name, default in _LENGTHS.items()}
    rows = loaded.row_maker(**lengths)
    return Collator(rows=rows, decoder_start_id=loaded.decoder_start_id, **changes)


_LENGTHS = {"max_instruction_tokens": 128, "max_target_tokens": 256}
_once = cache(toy_loaded)


def train_on(config: TrainConfig, stream: Any, out: Path, say: Callable[[str], None] = print) -> Outcome:
    """`train` over this stream in place of the mixture's."""
    with patch.object(trainer, "training_stream", lambda *_given: stream):
        return trainer.train(config, _home(), out, say)


@cache
def _home() -> Home:
    return Home(mkdtemp(prefix="ib_data_toy_home_"))


def silent(_line: str) -> None:
    pass
