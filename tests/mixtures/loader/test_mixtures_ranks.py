"""World and rank of a loader: given, or from torch.distributed, or from the environment of torchrun."""

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch.distributed

import ib_data
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.loader.loader import StreamDataset, StreamLoader
from ib_data.mixtures.loader.ranks import world_and_rank
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.stream.example import Example
from ib_data.mixtures.stream.stream import open_stream

SPEC = Mixture(name="one", rule="sqrt", members=(Member(dataset="vqav2", split="train", size=40),))
SCRIPT = """
import json, os, sys
from itertools import islice
from pathlib import Path

import torch.distributed

from ib_data.home import Home
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.loader.loader import StreamLoader
from ib_data.mixtures.stream.stream import open_stream

home, out = Home(Path(sys.argv[1])), Path(sys.argv[2])
spec = Mixture(name="one", rule="sqrt", members=(Member(dataset="vqav2", split="train", size=40),))


def ids(examples):
    return [[e.position, e.annotation_id] for e in examples]


def first_batches():
    return list(islice(StreamLoader(open_stream(home, spec, 3), 8, ids), 3))


by_environment = first_batches()
torch.distributed.init_process_group("gloo")
rank = os.environ.pop("RANK")
del os.environ["WORLD_SIZE"]
assert first_batches() == by_environment
(out / f"{rank}.json").write_text(json.dumps(by_environment))
torch.distributed.destroy_process_group()
"""


@pytest.fixture(autouse=True)
def no_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)


def ids(examples: list[Example]) -> list[list[object]]:
    return [[e.position, e.annotation_id] for e in examples]


def under_torchrun(monkeypatch: pytest.MonkeyPatch, world: str, rank: str) -> None:
    monkeypatch.setenv("WORLD_SIZE", world)
    monkeypatch.setenv("RANK", rank)


def test_two_processes_of_torchrun_share_each_batch(tiny_home: Home, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    environment = {**os.environ, "PYTHONPATH": str(Path(ib_data.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    subprocess.run([*torchrun, str(script), str(tiny_home.root), str(tmp_path)], check=True, env=environment)
    whole = ids(open_stream(tiny_home, SPEC, 3).batch(0, 24))
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert [row for pair in zip(first, second, strict=True) for share in pair for row in share] == whole
    assert not {row[0] for batch in first for row in batch} & {row[0] for batch in second for row in batch}


@pytest.mark.parametrize("kind", [StreamLoader, StreamDataset])
def test_the_environment_of_torchrun_chooses_the_slice(tiny_home: Home, monkeypatch, kind) -> None:
    stream = open_stream(tiny_home, SPEC, 3)
    under_torchrun(monkeypatch, "4", "1")
    assert next(iter(kind(stream, 8, ids))) == ids(stream.batch(2, 2))
    given = kind(stream, 8, ids, world=2, rank=0)
    assert list(islice(given, 2)) == [ids(stream.batch(0, 4)), ids(stream.batch(8, 4))]


def test_a_process_group_comes_before_the_environment(monkeypatch) -> None:
    under_torchrun(monkeypatch, "4", "1")
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 8)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 5)
    assert world_and_rank() == (8, 5)
    assert world_and_rank(2, 0) == (2, 0)


def test_without_any_of_them_there_is_one_process() -> None:
    assert world_and_rank() == (1, 0)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"WORLD_SIZE": "2"}, "RANK: expected an integer from 0, found nothing"),
        ({"RANK": "1"}, "WORLD_SIZE: expected an integer from 0, found nothing"),
        ({"WORLD_SIZE": "two", "RANK": "0"}, "WORLD_SIZE: expected an integer from 0, found 'two'"),
        ({"WORLD_SIZE": "2", "RANK": "-1"}, "RANK: expected an integer from 0, found '-1'"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK 2 is not below WORLD_SIZE 2"),
    ],
)
def test_half_an_environment_is_one_line(monkeypatch, environment: dict[str, str], said: str) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(IbDataError, match=said) as error:
        world_and_rank()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("given", [{"world": 2}, {"rank": 0}])
def test_world_and_rank_go_together(given: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="world and rank go together"):
        world_and_rank(**given)
