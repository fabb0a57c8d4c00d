"""Examples of every form, and a stock forward pass of the same batch to compare with."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from toy_models import shared_toy_folder
from toy_texts import COLOURS, QUESTIONS
from toy_training import decoded, draw, example, toy_example, toy_loaded
from transformers import AutoTokenizer, BlipImageProcessorPil, InstructBlipProcessor

from ib_data.mixtures.stream.example import Example
from ib_data.sample import Turn
from ib_data.training.batch.batch import Batch

RED = draw("red", "circle")
NUM_FRAMES = 4


def asked(instruction: str, target: str | None, media: bytes | None = RED, position: int = 0) -> Example:
    """A sample with these texts."""
    return example(position, instruction, target, media)


def clip(position: int, num_frames: int = NUM_FRAMES) -> Example:
    """A clip whose frames differ, with the texts of `toy_example`."""
    frames = [decoded(draw(COLOURS[(position + number) % 4], "square")) for number in range(num_frames)]
    pixels = torch.stack([torch.from_numpy(frame) for frame in frames]).numpy()
    return dataclasses.replace(toy_example(position), pixels=pixels, media_kind="video")


def chat(position: int = 0) -> Example:
    """Two turns about a red circle."""
    last = asked(QUESTIONS[1], "circle", position=position)
    earlier = (Turn(QUESTIONS[0], "red"),)
    return dataclasses.replace(last, rendered=dataclasses.replace(last.rendered, earlier=earlier))


def with_texts(sample: Example, instruction: str, target: str) -> Example:
    """The sample with other texts."""
    rendered = dataclasses.replace(sample.rendered, instruction=instruction, target=target)
    return dataclasses.replace(sample, rendered=rendered)


def stock_processor(family: str = "llama", num_query_tokens: int | None = 8, **options: Any) -> InstructBlipProcessor:
    """The processor as notebooks use it."""
    folder = shared_toy_folder(family)
    tokenizer = AutoTokenizer.from_pretrained(folder, **options)
    qformer = AutoTokenizer.from_pretrained(folder / "qformer_tokenizer")
    images = BlipImageProcessorPil(size={"height": 32, "width": 32})
    return InstructBlipProcessor(images, tokenizer, qformer, num_query_tokens=num_query_tokens)


def stock_inputs(batch: Batch) -> dict[str, Any]:
    """What the stock forward takes: one image per annotation; it makes the decoder's input from the labels."""
    return {
        "pixel_values": batch.pixel_values[batch.frame_index],
        "input_ids": batch.input_ids,
        "attention_mask": batch.attention_mask,
        "qformer_input_ids": batch.qformer_input_ids,
        "qformer_attention_mask": batch.qformer_attention_mask,
        "labels": batch.labels,
    }


def at_targets(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The logits of the stock forward that predict the targets."""
    return logits.flatten(0, 1)[batch.target_index]


def ungrouped(batch: Batch) -> Batch:
    """The batch with a copy of the frames for each annotation."""
    places = torch.arange(len(batch.frame_index))
    return dataclasses.replace(batch, images=batch.images[batch.frame_index], frame_index=places)


@contextmanager
def counted_rows(module: torch.nn.Module, name: str = "") -> Iterator[list[int]]:
    """For each call of `module` in the block, the rows of its input, which is given by position or as `name`."""
    rows: list[int] = []

    def count(_module: torch.nn.Module, given: tuple[Any, ...], named: dict[str, Any], _output: Any) -> None:
        value = named[name] if name in named else given[0]
        rows.append(len(value) if value.dim() == 4 else value.shape[:-1].numel())

    handle = module.register_forward_hook(count, with_kwargs=True)
    try:
        yield rows
    finally:
        handle.remove()


@cache
def _shared_model(family: str, **options: Any) -> Any:
    return toy_loaded(family, **options).model


def shared_model(family: str = "llama", **options: Any) -> Any:
    """A loaded model in evaluation mode, without gradients, that tests do not change."""
    model = _shared_model(family, **options).eval()
    model.zero_grad(set_to_none=True)
    return model
