"""One measurement in a separate process: what a consumer receives from one peer in one tier."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from stream_peers.common import SIDE, decodes
from stream_peers.corpus import Corpus

PAGE = 4096
# Name in the table -> (module of this folder, function).
PEERS: dict[str, tuple[str, str]] = {
    "bare limit": ("bare", "limit"),
    "bare loader": ("bare", "loader"),
    "ours": ("ours", "stream"),
    "ours, fast decode": ("ours", "fast"),
    "webdataset": ("webdataset", "shuffled"),
    "webdataset sequential": ("webdataset", "sequential"),
    "wids local": ("wids", "local"),
    "wids random": ("wids", "random"),
    "grain": ("grain", "mixed"),
    "torchdata stateful": ("torchdata", "stateful"),
    "torch DataLoader": ("torchdata", "plain"),
    "energon": ("energon", "blended"),
    "datasets": ("hugging_face", "streaming"),
    "litdata": ("litdata", "fast"),
    "litdata cached": ("litdata", "cached"),
    "mosaicml-streaming": ("mosaic", "streaming"),
}
# The folders of the corpus whose files a peer reads; the others read the home and small indices beside it.
FOLDERS = {
    "litdata": ("litdata",),
    "litdata cached": ("litdata", "litdata_cache"),
    "mosaicml-streaming": ("mds",),
}
READ_BY_OTHERS = ("home", "extents", "energon", "wids")
# What a peer does not offer is not measured.
NO_READ = ("ours, fast decode",)
NO_MIXTURE = ("webdataset sequential", "wids local", "wids random")


def measure(
    name: str, corpus: Corpus, tier: str, workers: int, batch: int, warmup_s: float, seconds: float
) -> dict[str, Any]:
    """Samples per second after the warm-up, processor time per sample, seconds to the first batch, memory three times.

    The processor time of all processes, in microseconds, is steadier than the rate on a shared machine.
    """
    peer = batches_of(name)
    for folder in FOLDERS.get(name, READ_BY_OTHERS):
        warm(corpus.root / folder)
    began = time.perf_counter()
    batches = iter(peer(corpus, tier, workers, batch))
    touch(next(batches), tier)
    first_s = time.perf_counter() - began
    memory = [resident_mib()]
    take(batches, tier, warmup_s)
    memory.append(resident_mib())
    cpu = cpu_s()
    count, elapsed = take(batches, tier, seconds)
    cpu = cpu_s() - cpu
    memory.append(resident_mib())
    return {
        "samples_per_s": round(count / elapsed, 1),
        "cpu_us": round(cpu / count * 1e6),
        "first_batch_s": round(first_s, 3),
        "resident_mib": memory,
        "samples": count,
        "seconds": round(elapsed, 2),
        "load_average": round(os.getloadavg()[0], 2),
    }


def batches_of(name: str) -> Callable[[Corpus, str, int, int], Iterator[Any]]:
    """A peer's function; its libraries are imported here."""
    module, function = PEERS[name]
    found: Callable[[Corpus, str, int, int], Iterator[Any]] = getattr(import_module(f"stream_peers.{module}"), function)
    return found


def take(batches: Iterable[Any], tier: str, seconds: float) -> tuple[int, float]:
    """Consume batches for some seconds; returns the number of samples and the seconds until the last of them."""
    began = now = time.perf_counter()
    count = 0
    for batch in batches:
        count += touch(batch, tier)
        now = time.perf_counter()
        if now - began >= seconds:
            break
    return count, now - began


def touch(batch: Any, tier: str) -> int:
    """Read a byte of every page of a batch; returns its number of samples."""
    if isinstance(batch, range):  # the bare limit sends only counts
        return len(batch)
    if not decodes(tier):
        for image, text in batch:
            assert image[:2] == b"\xff\xd8"
            assert text
            assert len(image[::PAGE])
        return len(batch)
    pixels = np.asarray(batch)
    assert pixels.dtype == np.uint8, f"expected uint8, found {pixels.dtype}"
    assert pixels.shape[1:] == (SIDE, SIDE, 3), f"expected (B, {SIDE}, {SIDE}, 3), found {pixels.shape}"
    assert pixels.reshape(-1)[::PAGE].any()
    return len(pixels)


def warm(folder: Path) -> None:
    """Read all files into the page cache, which a virtual machine may lose at any time."""
    buffer = bytearray(2**22)
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass


def resident_mib() -> float:
    """Memory of this process and its children in MiB, with shared pages counted once (the Pss of Linux)."""
    total = 0
    for process in (os.getpid(), *children(os.getpid())):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return round(total / 2**10, 1)


def cpu_s() -> float:
    """Processor time that this process and its children have used, in seconds."""
    ticks = 0
    for process in (os.getpid(), *children(os.getpid())):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        ticks += sum(map(int, fields[11:15]))  # user and system, its own and of children that ended
    return ticks / os.sysconf("SC_CLK_TCK")


def children(process: int) -> list[int]:
    """All descendants of a process."""
    try:
        threads = list(Path(f"/proc/{process}/task").iterdir())
        found = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return found + [grandchild for child in found for grandchild in children(child)]


def stop_children() -> None:
    """End the workers that this process started; loaders differ in how they are closed."""
    for process in children(os.getpid()):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
