"""Batches for PyTorch: the same for any number of processes and workers, resumable, with one-line errors."""

import gc
import json
import os
import random
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.loader.image_batch import stack
from ib_data.mixtures.loader.loader import StreamDataset, StreamLoader
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.stream.example import Example
from ib_data.mixtures.stream.stream import Stream, open_stream
from ib_data.stream_options import ImageOptions, StreamOptions

SPEC = Mixture(
    name="three",
    rule="sqrt",
    members=tuple(
        Member(dataset=name, split="train", size=size)
        for name, size in (("vqav2", 40), ("okvqa", 6), ("coco_caption", 18))
    ),
)


def _pid(_examples: list[Example]) -> int:
    return os.getpid()


def _refusing(_examples: list[Example]) -> int:
    raise RuntimeError("sizes do not match")


Row = tuple[int, str, str, str]


def ids(examples: list[Example]) -> list[Row]:
    return [(e.position, e.key, e.annotation_id, e.rendered.template) for e in examples]


def positions(examples: list[Example]) -> list[int]:
    return [example.position for example in examples]


def opened(home: Home, seed: int = 3, **options: object) -> Stream:
    return open_stream(home, SPEC, seed, options=StreamOptions(**options))  # type: ignore[arg-type]


# torch warns of more workers than cores; what they give must be right all the same.
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("world", [1, 2, 3, 8])
@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_neither_processes_nor_workers_change_the_order(tiny_home: Home, world: int, workers: int) -> None:
    num_batches, size = 6, 24
    whole = ids(opened(tiny_home).batch(0, num_batches * size))
    share = size // world
    for rank in {0, world - 1} if workers else range(world):
        loader = StreamLoader(opened(tiny_home), size, ids, world=world, rank=rank, workers=workers)
        expected = [whole[t * size + rank * share :][:share] for t in range(num_batches)]
        assert list(islice(loader, num_batches)) == expected


def test_it_resumes_at_the_position_consumed_whatever_changes_around_it(tiny_home: Home) -> None:
    whole = ids(opened(tiny_home).batch(0, 200))
    first = StreamLoader(opened(tiny_home), 12, ids, workers=2)
    taken = [row for batch in islice(first, 5) for row in batch]
    state = json.loads(json.dumps(first.state_dict()))
    assert (taken, state["position"]) == (whole[:60], 60)
    again = StreamLoader(opened(tiny_home), 20, ids, workers=1)  # prefetched batches are not lost, sizes may change
    again.load_state_dict(state)
    assert [row for batch in islice(again, 3) for row in batch] == whole[60:120]
    ranks = [StreamLoader(opened(tiny_home), 20, ids, world=2, rank=rank) for rank in range(2)]
    for rank in ranks:
        rank.load_state_dict(state)
    shares = zip(*(islice(rank, 2) for rank in ranks), strict=True)
    assert [row for batch in shares for share in batch for row in share] == whole[60:100]


def test_a_state_of_another_seed_is_refused(tiny_home: Home) -> None:
    state = StreamLoader(opened(tiny_home, seed=1), 4).state_dict()
    with pytest.raises(IbDataError, match="seed was 1, is 3"):
        StreamLoader(opened(tiny_home), 4).load_state_dict(state)


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")
@pytest.mark.parametrize("workers", [0, 2])
def test_torchdatas_loader_saves_and_resumes_it(tiny_home: Home, workers: int) -> None:
    def loader() -> StatefulDataLoader:
        dataset = StreamDataset(opened(tiny_home), 8, positions)
        return StatefulDataLoader(dataset, batch_size=None, num_workers=workers)

    whole = list(range(80))
    first = loader()
    assert [row for batch in islice(first, 5) for row in batch] == whole[:40]
    state = first.state_dict()
    again = loader()
    again.load_state_dict(state)
    assert [row for batch in islice(again, 5) for row in batch] == whole[40:]


def test_a_workers_state_fits_the_same_number_of_workers_alone(tiny_home: Home) -> None:
    dataset = StreamDataset(opened(tiny_home), 8, ids)
    next(iter(dataset))
    state = dataset.state_dict()
    again = StreamDataset(opened(tiny_home), 8, ids)
    with pytest.raises(IbDataError, match=r"saved with num_workers 4, now it is 1; .*StreamLoader"):
        again.load_state_dict({**state, "num_workers": 4})
    again.load_state_dict(json.loads(json.dumps(state)))
    assert next(iter(again)) == ids(opened(tiny_home).batch(8, 8))


def test_pictures_come_once_and_stored_bytes_stay_behind(picture_home: Home) -> None:
    stream = opened(picture_home, images=ImageOptions(image_px=16), annotations_per_image=2)
    for workers in (0, 1):
        batch = next(iter(StreamLoader(stream, 6, workers=workers)))
        assert batch.images is not None
        assert (batch.images.dtype, batch.images.shape[1:]) == (torch.uint8, (16, 16, 3))
        assert len(batch.examples) == len(batch.image_index) == 12
        assert len(batch.images) == len({example.key for example in batch.examples}) <= 6
        for example, index in zip(batch.examples, batch.image_index.tolist(), strict=True):
            assert (example.pixels, example.media) == (None, None)
            alone = stream.at(example.position)
            assert alone.key == example.key
            assert np.array_equal(alone.pixels, batch.images[index].numpy())
    undecoded = stack(list(stream.examples(0, 3, with_pixels=False)))
    assert (undecoded.images, len(undecoded.examples)) == (None, 6)
    assert all((example.media or b"").startswith(b"\xff\xd8") for example in undecoded.examples)


def test_spawned_workers_give_the_same(picture_home: Home) -> None:
    stream = opened(picture_home, images=ImageOptions(image_px=16, augment="mild"))
    here = list(islice(StreamLoader(stream, 4), 2))
    spawned = list(islice(StreamLoader(stream, 4, workers=1, start_method="spawn"), 2))
    for one, other in zip(here, spawned, strict=True):
        assert torch.equal(one.images, other.images)
        assert one.examples == other.examples


def test_once_is_a_pass_over_everything(tiny_home: Home) -> None:
    for workers in (0, 2):
        loader = StreamLoader(opened(tiny_home), 10, ids, workers=workers, once=True)
        for _again in range(2):
            seen = [row for batch in loader for row in batch]
            assert len(seen) == len(set(seen)) == opened(tiny_home).pass_size == 64
    ranks = [list(StreamLoader(opened(tiny_home), 9, ids, world=3, rank=rank, once=True)) for rank in range(3)]
    assert sorted(row for rank in ranks for batch in rank for row in batch) == sorted(seen)


def test_a_pass_that_was_left_early_starts_again(tiny_home: Home) -> None:
    for workers in (0, 2):
        loader = StreamLoader(opened(tiny_home), 10, ids, workers=workers, once=True)
        next(iter(loader))
        assert sum(len(batch) for batch in loader) == 64
        dataset = StreamDataset(opened(tiny_home), 10, positions, once=True)
        plain = DataLoader(dataset, batch_size=None, num_workers=workers)
        next(iter(plain))
        assert sum(len(batch) for batch in plain) == 64
    for state_of in (loader.state_dict, dataset.state_dict):
        with pytest.raises(IbDataError, match="has no state: start it again"):
            state_of()


def test_a_dataset_begins_where_it_was_told_each_time(tiny_home: Home) -> None:
    for workers in (0, 2):
        loader = DataLoader(StreamDataset(opened(tiny_home), 8, positions), batch_size=None, num_workers=workers)
        for _again in range(2):
            assert [batch[0] for batch in islice(loader, 3)] == [0, 8, 16]


def test_the_loader_goes_on_where_it_was_left(tiny_home: Home) -> None:
    loader = StreamLoader(opened(tiny_home), 8, positions, workers=2, start=16)
    assert [batch[0] for batch in islice(loader, 3)] == [16, 24, 32]
    assert [batch[0] for batch in islice(loader, 2)] == [40, 48]


def test_a_collate_may_return_anything(tiny_home: Home) -> None:
    assert list(islice(StreamLoader(opened(tiny_home), 8, lambda _examples: None), 3)) == [None, None, None]


@pytest.mark.parametrize("state", [{}, {"stream": {}}, {"start": -64, "num_made": -3}])
def test_a_workers_state_that_is_none_is_refused(tiny_home: Home, state: dict) -> None:
    dataset = StreamDataset(opened(tiny_home), 8, ids)
    whole = dataset.state_dict()
    with pytest.raises(IbDataError, match="state"):
        dataset.load_state_dict({**whole, **state} if "start" in state else state)


def test_a_full_disk_in_a_worker_is_one_line(tmp_path, build_split) -> None:
    home = Home(tmp_path)
    build_split(home, "vqav2", 4)  # none of its pictures opens
    home.quarantine.mkdir()
    options = StreamOptions(images=ImageOptions())
    for workers in (0, 1):
        loader = StreamLoader(open_stream(home, SPEC.only(["vqav2"]), options=options), 8, workers=workers)
        with pytest.raises((IbDataError, OSError)) as caught:
            next(iter(loader))
        assert str(caught.value) == f"{home.quarantine}: Is a directory"


def test_no_random_state_is_touched(tiny_home: Home) -> None:
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state())  # noqa: NPY002
    list(islice(StreamLoader(opened(tiny_home), 4, workers=1), 3))
    opened(tiny_home).batch(0, 9)
    after = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state())  # noqa: NPY002
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])


@pytest.mark.parametrize("workers", [0, 2])
def test_passes_over_everything_may_run_side_by_side(tiny_home: Home, workers: int) -> None:
    loader = StreamLoader(opened(tiny_home), 16, positions, workers=workers, once=True)
    alone = list(loader)
    assert len(alone) == 4
    assert list(zip(loader, loader, strict=True)) == [(batch, batch) for batch in alone]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_endless_loop_that_was_left_behind_is_refused(tiny_home: Home, workers: int) -> None:
    loader = StreamLoader(opened(tiny_home), 16, positions, workers=workers)
    old, new = iter(loader), iter(loader)
    assert [next(old)[0], next(old)[0], next(new)[0]] == [0, 16, 32]
    with pytest.raises(IbDataError, match="started again since; make a StreamLoader for each loop"):
        next(old)
    assert next(new)[0] == 48
    state = loader.state_dict()
    loader.load_state_dict(state)
    with pytest.raises(IbDataError, match="started again"):
        next(new)
    assert next(iter(loader))[0] == 64


def test_two_iterations_of_a_dataset_do_not_mix(tiny_home: Home) -> None:
    dataset = StreamDataset(opened(tiny_home), 16, positions)
    one, two = iter(dataset), iter(dataset)
    assert [next(each)[0] for each in (one, one, two, one, two)] == [0, 16, 0, 32, 16]


def test_batches_that_are_kept_beyond_the_limit_of_open_files_are_said(tiny_home: Home) -> None:
    loader = StreamLoader(opened(tiny_home), 8, _large, workers=1)
    gc.collect()  # what earlier tests left would make room later
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    num_open = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (num_open + 24, limits[1]))
    try:
        with pytest.raises(IbDataError, match=r"too many open files before position .*clone what you keep"):
            list(islice(loader, 300))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def _large(_examples: list[Example]) -> torch.Tensor:
    return torch.zeros(20_000)


def _nested(_examples: list[Example]) -> torch.Tensor:
    return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.strided)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_comes_as_with_torch_alone(tiny_home: Home) -> None:
    dataset = StreamDataset(opened(tiny_home), 8, _nested)
    outcomes = []
    for loader in (StreamLoader(dataset.stream, 8, _nested, workers=1), DataLoader(dataset, None, num_workers=1)):
        try:
            outcomes.append([part.tolist() for part in next(iter(loader)).unbind()])
        except RuntimeError as error:
            outcomes.append(str(error).splitlines()[-1])
    assert outcomes[0] == outcomes[1]


def test_an_error_in_a_worker_is_its_one_line(tmp_path, build_split) -> None:
    home = Home(tmp_path)
    build_split(home, "vqav2", 20)
    loader = StreamLoader(open_stream(home, SPEC.only(["vqav2"])), 16, workers=2)
    (home.split("vqav2", "train") / "vqav2-train-000001.tar").unlink()
    with pytest.raises(IbDataError) as caught:
        list(islice(loader, 10))
    assert str(caught.value).startswith("vqav2: ")
    assert "shard is missing; build vqav2 again" in str(caught.value)
    assert "\n" not in str(caught.value)


# torch raises where its signal finds the main thread; in a finalizer Python can only print that, and the test goes on.
may_meet_a_finalizer = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def _die_at_the_third(examples: list[Example]) -> list[Row]:
    if examples[0].position >= 16:
        os.kill(os.getpid(), signal.SIGKILL)
    return ids(examples)


@may_meet_a_finalizer
def test_a_killed_worker_is_said_with_the_place_to_go_on_from(tiny_home: Home) -> None:
    loader = StreamLoader(opened(tiny_home), 8, _die_at_the_third, workers=1)
    with pytest.raises(IbDataError, match=r"a loading worker died before position \d+: .*killed.*last state"):
        list(islice(loader, 9))


@may_meet_a_finalizer
def test_a_worker_that_dies_while_the_consumer_works_is_named(tiny_home: Home) -> None:
    loader = StreamLoader(opened(tiny_home), 8, _pid, workers=1, start_method="fork")
    dies = pytest.raises(IbDataError, match=r"a loading worker died before position 8: .*killed")
    with dies, loader.translate_worker_errors():
        _kill_the_first(loader)


def _kill_the_first(loader: StreamLoader[int]) -> None:
    for worker in loader:
        os.kill(worker, signal.SIGKILL)
        os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)  # torch's handler runs here, in the consumer's code


class _CutOff:
    """A batch that cannot be opened because its worker dies; the consumer learns of the death later."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return _kill_and_cut_off, (os.getpid(),)


def _kill_and_cut_off(worker: int) -> None:
    Timer(0.1, os.kill, (worker, signal.SIGKILL)).start()
    raise EOFError


def _cut_off(_examples: list[Example]) -> _CutOff:
    return _CutOff()


@may_meet_a_finalizer
@pytest.mark.parametrize(("threads", "method"), [(0, "fork"), (1, "fork"), (0, "forkserver")])
def test_a_death_that_a_cut_connection_tells_of_first_is_named_too(tiny_home: Home, threads: int, method: str) -> None:
    loader = StreamLoader(opened(tiny_home), 8, _cut_off, workers=1, start_method=method)
    with pytest.raises(IbDataError, match=r"a loading worker died before position 0: .*killed by signal"):
        ThreadPoolExecutor(1).submit(next, iter(loader)).result() if threads else next(iter(loader))


def _at_its_end(_examples: list[Example]) -> int:
    raise EOFError("no further line")


def test_an_error_of_a_collate_is_not_taken_for_a_death(tiny_home: Home) -> None:
    loader = StreamLoader(opened(tiny_home), 8, _at_its_end, workers=1)
    with pytest.raises(EOFError, match=r"(?s)Caught EOFError in DataLoader worker.*no further line"):
        next(iter(loader))


def test_an_error_of_a_collate_keeps_its_traceback(tiny_home: Home) -> None:
    loader = StreamLoader(opened(tiny_home), 8, _refusing, workers=1)
    with pytest.raises(RuntimeError, match=r"(?s)Caught RuntimeError in DataLoader worker.*sizes do not match"):
        next(iter(loader))


def test_a_number_of_workers_below_0_is_refused(tiny_home: Home) -> None:
    with pytest.raises(ValueError, match="no number of loading workers: -1"):
        StreamLoader(opened(tiny_home), 8, workers=-1)


def test_what_it_took_is_counted(picture_home: Home) -> None:
    for workers in (0, 2):
        stream = opened(picture_home, images=ImageOptions(image_px=16))
        loader = StreamLoader(stream, 8, workers=workers)
        list(islice(loader, 4))
        meter = loader.meter
        assert (meter.num_positions, meter.num_examples, meter.num_bad) == (32, 32, 0)
        assert min(meter.read_s, meter.decode_s, meter.render_s, meter.wait_s) > 0
        assert meter.num_opened >= 3
        assert meter.media_bytes > 0


def test_what_was_read_before_is_no_part_of_the_loaders_figures(tiny_home: Home) -> None:
    for workers in (0, 2):
        stream = opened(tiny_home)
        stream.batch(0, 500)
        loader = StreamLoader(stream, 8, workers=workers)
        list(islice(loader, 4))
        assert loader.meter.num_positions == 32


@pytest.mark.parametrize(("size", "world", "rank"), [(10, 3, 0), (8, 2, 2), (0, 1, 0)])
def test_a_batch_that_cannot_be_shared_is_refused(tiny_home: Home, size: int, world: int, rank: int) -> None:
    with pytest.raises(ValueError, match="cannot be shared"):
        StreamLoader(opened(tiny_home), size, world=world, rank=rank)


def test_any_loader_takes_the_dataset(tiny_home: Home) -> None:
    dataset = StreamDataset(opened(tiny_home), 8, positions)
    loader = DataLoader(dataset, batch_size=None, num_workers=2)
    assert [row for batch in islice(loader, 4) for row in batch] == list(range(32))
