"""What a computed order makes possible, measured on all peers: python benchmarks/stream_only.py [--write]

Four sections over the corpus of `stream.py`, which must exist, and in its environments:

    resume   seconds from a saved state to the next batch after 10^3, 10^5 and 10^7 samples, in a fresh process
    order    whether the sequence is the same with 0, 1 and 2 workers; ours also with 1, 2, 3, 8 processes, 5 workers
    counts   the largest error of a dataset's running count, and datasets that repeat a sample before their epoch ends
    memory   growth in MiB over 10^6 samples that are only read, with one worker
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from hardware import report
from stream import CORPUS, MOSAIC, python_of
from stream_peers.corpus import Corpus, read_corpus
from stream_peers.measure import NO_MIXTURE, PEERS, batches_of, resident_mib
from stream_peers.processes import leave, run
from stream_peers.resume import BATCH, RESUMABLE, TIER, far_state

SCRIPT = Path(__file__).resolve()
DISTANCES = (10**3, 10**5, 10**7)
WALK_S = 240  # how long a peer may take to get to where it is resumed
ORDER_SAMPLES = 20_000
WORLDS, WORKERS = (1, 2, 3, 8), (0, 1, 2, 5)
MIXED = [name for name in PEERS if name not in (*NO_MIXTURE, "bare limit", "ours, fast decode")]


def arguments() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--peers", nargs="+", choices=MIXED, default=MIXED, metavar="PEER")
    parser.add_argument("--memory-peers", nargs="*", choices=MIXED, default=["ours", "webdataset"], metavar="PEER")
    parser.add_argument("--samples", type=int, default=60_000, help="of the section counts")
    parser.add_argument("--memory-samples", type=int, default=10**6)
    parser.add_argument("--mosaic-python", default=sys.executable, help=f"interpreter with {MOSAIC}")
    parser.add_argument("--name", default="stream_only", help="of results/NAME.json")
    parser.add_argument("--write", action="store_true", help="keep the figures there")
    parser.add_argument("--one", nargs=2, metavar=("SECTION", "PEER"), help="one measurement, in this process")
    return parser.parse_args()


def key_of(text: bytes | dict[str, Any]) -> str:
    """The sample's key, from a peer's JSON (ours gives the key itself)."""
    if isinstance(text, dict):
        return str(text["key"])
    return str(json.loads(text)["key"]) if text.startswith(b"{") else text.decode()


def keys(corpus: Corpus, name: str, workers: int = 0) -> Iterator[str]:
    """The sequence of keys that a peer gives over the mixture."""
    return _keys(batches_of(name)(corpus, TIER, workers, BATCH))


def _keys(batches: Iterator[Any]) -> Iterator[str]:
    return (key_of(text) for _, text in chain.from_iterable(batches))


def resume(name: str, corpus: Corpus, args: argparse.Namespace) -> dict[str, Any]:
    """Seconds to the first batch at the start and from each state, each in a fresh process."""
    if name not in RESUMABLE:
        return {"missing": "keeps no state"}
    batches_of(name)  # imports, which each process is then spared
    found: dict[str, Any] = {"start_s": _forked(_first, name, corpus, None)[0]}
    rate = 0.0
    for distance in DISTANCES:
        state = _forked(far_state, name, corpus, distance) if distance > DISTANCES[-2] else None
        then = None
        if state is None:
            if rate and distance / rate > WALK_S:
                found[str(distance)] = f"not run: the way there takes {distance / rate:.0f} s at {rate:.0f} samples/s"
                continue
            state, then, rate = _forked(_walk, name, corpus, distance)
        seconds, batch = _forked(_first, name, corpus, state)
        found[str(distance)] = {"resume_s": seconds, "exact": None if then is None else batch == then}
    return found


def _first(name: str, corpus: Corpus, state: Any) -> tuple[float, list[str]]:
    began = time.perf_counter()
    batch = next(RESUMABLE[name](corpus, state)[0])
    return round(time.perf_counter() - began, 3), [key_of(text) for _, text in batch]


def _walk(name: str, corpus: Corpus, distance: int) -> tuple[Any, list[str], float]:
    """The state after at least this many samples, the next batch, and the samples per second until then."""
    batches, save = RESUMABLE[name](corpus, None)
    began, count = time.perf_counter(), 0
    while count < distance:
        count += len(next(batches))
    rate = count / (time.perf_counter() - began)
    state = save()
    return state, [key_of(text) for _, text in next(batches)], rate


def _forked(work: Any, *arguments: Any) -> Any:
    """The result of `work` in a fresh process."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=lambda: theirs.send(work(*arguments)), daemon=False)
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.kill()
        process.join()


def order(name: str, corpus: Corpus, args: argparse.Namespace) -> dict[str, Any]:
    """Whether the sequence depends on the number of workers and, for ours, of processes."""
    try:
        runs = [list(islice(keys(corpus, name, workers), ORDER_SAMPLES)) for workers in (0, 1, 2)]
    except Exception as error:  # a peer's own limits: they are its row in the table
        return {"missing": f"failed: {type(error).__name__}: {error}"[:200]}
    found: dict[str, Any] = _agreement(runs)
    if name == "grain":
        from stream_peers.grain import in_order

        runs = [list(islice(_keys(in_order(corpus, TIER, workers, BATCH)), ORDER_SAMPLES)) for workers in (0, 1, 2)]
        found["where_the_consumer_makes_the_batches"] = _agreement(runs)
    if name == "ours":
        cases = [(world, workers) for world in WORLDS for workers in WORKERS]
        same = [_global_order(corpus, world, workers) == runs[0][:960] for world, workers in cases]
        found["same_for_worlds_1_2_3_8_and_workers_0_1_2_5"] = all(same)
        found["combinations"] = len(same)
    return found


def _agreement(runs: list[list[str]]) -> dict[str, Any]:
    """Whether the runs with 0, 1 and 2 workers agree, and for how many samples."""
    differing = (number for number, found in enumerate(zip(*runs, strict=True)) if len(set(found)) > 1)
    first = next(differing, None)
    return {"same_for_workers_0_1_2": first is None, "samples_alike": ORDER_SAMPLES if first is None else first}


def _global_order(corpus: Corpus, world: int, workers: int, batch: int = 48, num_batches: int = 20) -> list[str]:
    """The global sequence of a run, assembled from what each process received."""
    from stream_peers.ours import opened, pairs

    from ib_data.mixtures.loader.loader import StreamLoader

    stream = opened(corpus, TIER)
    ranks = []
    for rank in range(world):
        loader = StreamLoader(stream, batch, world=world, rank=rank, workers=workers)
        ranks.append([[key_of(text) for _, text in pairs(made)] for made in islice(loader, num_batches)])
    return [key for parts in zip(*ranks, strict=True) for part in parts for key in part]


def counts(name: str, corpus: Corpus, args: argparse.Namespace) -> dict[str, Any]:
    """Running counts and early repeats, in this process and as two workers deliver."""
    return {
        f"workers_{workers}": _counted(list(islice(keys(corpus, name, workers), args.samples)), corpus)
        for workers in (0, 2)
    }


def _counted(sequence: list[str], corpus: Corpus) -> dict[str, Any]:
    """The largest |count - share * n| of any stored dataset, and how many repeat a sample before their epoch ends.

    Repeats are judged for datasets without views: two members over the same samples may well meet in them.
    """
    members = Counter(source.stored_as for source in corpus.sources)
    shares: dict[str, float] = {}
    for source in corpus.sources:
        shares[source.stored_as] = shares.get(source.stored_as, 0.0) + source.weight
    labels = np.array([key.rsplit("-", 2)[0] for key in sequence])
    numbers = np.arange(1, len(labels) + 1)
    errors = np.stack([abs(np.cumsum(labels == stored) - numbers * share) for stored, share in shares.items()])
    early = judged = 0
    for source in corpus.sources:
        if members[source.stored_as] == 1:
            drawn = [key for key, stored in zip(sequence, labels, strict=True) if stored == source.stored_as]
            epoch = drawn[: source.num_samples]
            judged += 1
            early += len(set(epoch)) < len(epoch)
    return {
        "samples": len(sequence),
        "largest_count_error": round(float(errors.max()), 1),
        "largest_at_multiples_of_1024": round(float(errors[:, 1023::1024].max()), 1),
        "datasets_judged": judged,
        "datasets_that_repeat_early": early,
    }


def memory(name: str, corpus: Corpus, args: argparse.Namespace) -> dict[str, Any]:
    """Memory at 11 points, and its slope by least squares over the last nine, in MiB for 10^6 samples."""
    step = args.memory_samples // 10
    points: list[float] = []
    count = 0
    began = time.perf_counter()
    for batch in batches_of(name)(corpus, TIER, 1, BATCH):
        if count >= len(points) * step:
            points.append(resident_mib())
        count += len(batch)
        if len(points) > 10:
            break
    slope = float(np.polyfit(np.arange(9) * step / 1e6, points[2:], 1)[0])
    rate = count / (time.perf_counter() - began)
    return {"samples": count, "resident_mib": points, "mib_a_million": round(slope, 1), "samples_per_s": round(rate)}


SECTIONS = {"resume": resume, "order": order, "counts": counts, "memory": memory}


def main() -> None:
    """All sections, each peer in a separate process; or the one section asked for."""
    args = arguments()
    corpus = read_corpus(args.corpus)
    if corpus is None:
        raise SystemExit(f"{args.corpus} holds no corpus; write it with benchmarks/stream.py")
    if args.one:
        section, name = args.one
        leave(SECTIONS[section](name, corpus, args))
    shared = ["--corpus", str(args.corpus), "--samples", str(args.samples)]
    shared += ["--memory-samples", str(args.memory_samples), "--one"]
    found: dict[str, dict[str, Any]] = {}
    for section in args.sections:
        found[section] = {}
        for name in args.memory_peers if section == "memory" else args.peers:
            found[section][name] = run(python_of(args, name), SCRIPT, [*shared, section, name])
            print(f"{section}, {name}: {json.dumps(found[section][name])}", flush=True)
    report(args.name, found)


if __name__ == "__main__":
    main()
