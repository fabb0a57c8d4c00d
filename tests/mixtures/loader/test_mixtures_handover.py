"""Batches through shared memory: any contents, valid as long as they are kept, in reused memory."""

import gc
import os
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.loader.handover import Handover, Message, Receiver, Sender
from ib_data.mixtures.loader.image_batch import ImageBatch
from ib_data.mixtures.loader.loader import StreamLoader
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.stream.stream import Stream, open_stream
from ib_data.stream_options import ImageOptions, StreamOptions

SPEC = Mixture(name="one", rule="sqrt", members=(Member(dataset="vqav2", split="train", size=40),))


@dataclass(frozen=True)
class Batch:
    values: list[Any]


def pair(slots: int = 2) -> tuple[Sender, Receiver]:
    handover = Handover(workers=1, slots=slots)
    return handover.sender(0), handover.receiver()


def numbers(value: int, size: int = 100_000) -> torch.Tensor:
    return torch.full((size,), value, dtype=torch.int32)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(24).reshape(2, 3, 4),
        torch.arange(24.0).reshape(4, 6).T,  # not contiguous
        torch.arange(12)[3:7],
        torch.arange(2 * 3 * 4 * 5).reshape(2, 4, 5, 3).permute(0, 3, 1, 2),  # channels last
        torch.arange(200_000).reshape(2, 200, 500).permute(2, 0, 1),
        torch.tensor(3.5, dtype=torch.float64),
        torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        torch.tensor([True, False]),
        torch.tensor([1 + 2j]),
        torch.tensor([1 + 2j]).conj(),
        torch.tensor([1 + 2j]).conj().imag,
        torch.empty((0, 3), dtype=torch.float16),
        torch.zeros(2, requires_grad=True),
        torch.eye(3).to_sparse(),
    ],
    ids=lambda tensor: f"{tensor.dtype}-{tuple(tensor.shape)}-{tensor.layout}",
)
def test_every_kind_of_tensor_arrives_as_it_was(tensor: torch.Tensor) -> None:
    sender, receiver = pair()
    found = receiver.open(sender.send({"a": tensor}))["a"]
    assert (found.dtype, found.shape, found.requires_grad) == (tensor.dtype, tensor.shape, tensor.requires_grad)
    assert torch.equal(found.to_dense(), tensor.to_dense())
    if tensor.layout == torch.strided:
        assert found.is_contiguous() == tensor.is_contiguous()


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.integers(0, 200_000).map(bytes),  # pickle writes more than 64 kB as a piece of its own
            st.text(max_size=20),
            st.lists(st.integers(0, 255), max_size=9).map(lambda values: np.array(values, dtype=np.uint8)),
            st.integers(1, 50_000).map(lambda size: np.arange(size, dtype=np.float32)),
            st.none() | st.floats(allow_nan=False),
        ),
        max_size=8,
    )
)
def test_whatever_a_collate_makes_arrives_as_it_was(values: list[Any]) -> None:
    sender, receiver = pair()
    for _ in range(3):  # in new slots and in used ones
        found = receiver.open(sender.send(Batch(values)))
        assert type(found) is Batch
        assert len(found.values) == len(values)
        assert all(map(same, found.values, values))
        del found


def same(found: Any, expected: Any) -> bool:
    return type(found) is type(expected) and bool(np.array_equal(found, expected))


def test_a_slot_is_used_again_once_nothing_of_its_batch_is_left() -> None:
    sender, receiver = pair()
    messages = []
    for value in range(6):
        messages.append(sender.send(numbers(value)))
        assert receiver.open(messages[-1]).tolist()[::50_000] == [value, value]
    assert [message.slot for message in messages] == [0] * 6
    assert [message.memory is not None for message in messages] == [True, *[False] * 5]


def views(batch: torch.Tensor) -> list[Any]:
    return [batch, batch[10:], batch.reshape(100, -1)[3], batch.numpy(), batch.numpy()[5:], batch.view(torch.uint8)]


@pytest.mark.parametrize("which", range(6))
def test_any_view_of_a_batch_keeps_its_values(which: int) -> None:
    sender, receiver = pair()
    kept = [views(receiver.open(sender.send(numbers(7))))[which]]
    for value in range(20, 26):
        message = sender.send(numbers(value))
        receiver.open(message)
        assert message.slot == 1
    assert set(np.asarray(kept[0]).reshape(-1).tolist()) <= {7, 0}  # 0: the higher bytes of each number
    kept.clear()
    gc.collect()
    assert sender.send(numbers(9)).slot == 0


def test_a_small_value_that_is_kept_keeps_no_slot() -> None:
    sender, receiver = pair()
    kept = []
    for number in range(4):
        message = sender.send({"large": numbers(number), "small": torch.full((64,), number)})
        kept.append(receiver.open(message)["small"])
        assert message.slot == 0
    assert [small.tolist() for small in kept] == [[number] * 64 for number in range(4)]


def test_a_consumer_that_keeps_everything_gets_memory_of_its_own() -> None:
    sender, receiver = pair()
    messages: list[Message] = [sender.send(numbers(value)) for value in range(5)]
    kept = [receiver.open(message) for message in messages]
    assert [message.slot for message in messages] == [0, 1, None, None, None]
    assert [tensor[99_999].item() for tensor in kept] == [0, 1, 2, 3, 4]


def test_a_fork_of_the_consumer_frees_no_slot_of_it() -> None:
    sender, receiver = pair()
    kept = receiver.open(sender.send(numbers(7)))
    child = os.fork()
    if child == 0:
        try:
            del kept
            gc.collect()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert sender.send(numbers(8)).slot == 1
    assert kept.tolist() == [7] * len(kept)


def test_a_slot_grows_with_its_batches_and_stays_large() -> None:
    sender, receiver = pair()
    sizes = (10, 100_000, 10, 100_000, 110_000, 200_000)
    came = []
    for size in sizes:
        message = sender.send(numbers(size, size))
        came.append(message.memory is not None)
        found = receiver.open(message)
        assert (len(found), found[-1].item()) == (size, size)
        del found
    assert came == [True, True, False, False, False, True]


def test_it_says_what_is_full_where_there_is_no_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_tensor: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")

    sender, _ = pair()
    monkeypatch.setattr(torch.Tensor, "share_memory_", full)
    with pytest.raises(
        IbDataError, match=r"no shared memory for a batch of 400,\d+ bytes: .*No space left.*--shm-size"
    ):
        sender.send(numbers(1))


def opened(home: Home) -> Stream:
    options = StreamOptions(images=ImageOptions(image_px=32, augment="mild"))
    return open_stream(home, SPEC, 3, options=options)


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_batches_that_are_kept_are_those_of_no_workers(picture_home: Home, start_method: str) -> None:
    expected = list(islice(StreamLoader(opened(picture_home), 8), 14))
    kept = list(islice(StreamLoader(opened(picture_home), 8, workers=2, start_method=start_method), 14))
    for found, alone in zip(kept, expected, strict=True):
        assert isinstance(found, ImageBatch)
        assert found.images is not None
        assert alone.images is not None
        assert torch.equal(found.images, alone.images)
        assert torch.equal(found.image_index, alone.image_index)
        assert found.examples == alone.examples
        found.images.add_(1)  # it may be written to, as any tensor


def test_slots_go_round_between_processes(picture_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[Message] = []
    open_message = Receiver.open

    def noted(receiver: Receiver, message: Message) -> Any:
        messages.append(message)
        return open_message(receiver, message)

    monkeypatch.setattr(Receiver, "open", noted)
    expected = [batch.images.sum().item() for batch in islice(StreamLoader(opened(picture_home), 64), 30)]
    found = [batch.images.sum().item() for batch in islice(StreamLoader(opened(picture_home), 64, workers=2), 30)]
    assert found == expected
    assert len(messages) == 30
    assert all(message.slot is not None for message in messages)  # the 8 slots of 2 workers are enough
