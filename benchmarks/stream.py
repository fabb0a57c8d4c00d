"""Samples per second of the mixture stream and its peers: python benchmarks/stream.py [--corpus DIR] [--write]

Three tiers over one corpus of tars (`stream_peers/corpus.py`): `read` gives image and JSON bytes of the largest
dataset, `decode` its pixels, `mixture` pixels of 26 datasets by the square root of their sizes. Every peer uses the
same decode function (except "ours, fast decode") and one thread per worker. Each measurement is a separate process,
which first reads its files into the page cache; rounds are interleaved, and the first seconds are dropped. Peers have
their own environments:

    python3 -m venv PEERS && PEERS/bin/pip install -r benchmarks/peers.txt
    PEERS/bin/pip uninstall -y torchvision && PEERS/bin/pip install --no-deps -e .
    python3 -m venv MOSAIC && MOSAIC/bin/pip install -r benchmarks/peers_mosaic.txt
    MOSAIC/bin/pip uninstall -y torchvision && MOSAIC/bin/pip install --no-deps -e .
    PEERS/bin/python benchmarks/stream.py --mosaic-python MOSAIC/bin/python

A peer that is not installed is reported as such. `stream_only.py` measures resume, order and memory.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hardware import report
from stream_peers.common import PREFETCH, TIERS
from stream_peers.corpus import Corpus, read_corpus, write_corpus
from stream_peers.measure import NO_MIXTURE, NO_READ, PEERS, measure
from stream_peers.processes import leave, run

SCRIPT = Path(__file__).resolve()
CORPUS = Path(tempfile.gettempdir()) / "ib_data_stream_corpus"
MOSAIC = "mosaicml-streaming"
LIBRARIES = ("torch", "numpy", "pillow", "simplejpeg")
PEER_PACKAGES = ("webdataset", "wids", "grain", "torchdata", "megatron-energon", "datasets", "litdata", MOSAIC)


def arguments() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="written where it is not there yet")
    parser.add_argument("--samples", type=int, default=40_000, help="size of a new corpus; 40,000 take 3.6 GB")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER")
    parser.add_argument("--tiers", nargs="+", choices=TIERS, default=list(TIERS[:3]))
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warmup", type=float, default=3.0, help="seconds after the first batch that are dropped")
    parser.add_argument("--seconds", type=float, default=6.0, help="seconds that are measured")
    parser.add_argument("--mosaic-python", default=sys.executable, help=f"interpreter with {MOSAIC}")
    parser.add_argument("--name", default="stream", help="of results/NAME.json")
    parser.add_argument("--write", action="store_true", help="keep the figures there")
    parser.add_argument("--one", nargs=3, metavar=("PEER", "TIER", "WORKERS"), help="one measurement, in this process")
    parser.add_argument("--prepare", metavar="PEER", help="make what a peer reads, in this process")
    return parser.parse_args()


def one(args: argparse.Namespace, corpus: Corpus) -> dict[str, Any]:
    """One measurement in this process."""
    import torch

    torch.set_num_threads(1)
    name, tier, workers = args.one
    return measure(name, corpus, tier, int(workers), args.batch, args.warmup, args.seconds)


def prepare(name: str, corpus: Corpus) -> dict[str, Any]:
    """Run a peer's own preparation; returns its seconds, its note, and the versions of the installed packages."""
    began = time.perf_counter()
    result: dict[str, Any] = {"packages": versions()}
    try:
        peer = import_module(f"stream_peers.{PEERS[name][0]}")
    except ModuleNotFoundError as error:
        return {**result, "missing": f"not installed: {error.name}"}
    result["note"] = peer.NOTE
    if hasattr(peer, "prepare"):
        peer.prepare(corpus)
        result["prepare_s"] = round(time.perf_counter() - began, 1)
    return result


def versions() -> dict[str, str]:
    """The versions of the packages installed here."""
    found = {}
    for package in (*LIBRARIES, *PEER_PACKAGES):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def python_of(args: argparse.Namespace, name: str) -> str:
    """The interpreter of a peer's environment."""
    python: str = args.mosaic_python if name == MOSAIC else sys.executable
    return python


def rows(args: argparse.Namespace) -> list[tuple[str, str, int]]:
    """The measurements: (tier, peer, workers)."""
    return [
        (tier, name, workers)
        for tier in args.tiers
        for workers in args.workers
        for name in args.peers
        if name not in (NO_MIXTURE if tier.startswith("mixture") else NO_READ if tier == "read" else ())
    ]


def rounds(args: argparse.Namespace, notes: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """All rounds, interleaved, with a summary per row."""
    results: dict[tuple[str, str, int], list[dict[str, Any]]] = {row: [] for row in rows(args)}
    shared = ["--corpus", str(args.corpus), "--batch", str(args.batch)]
    shared += ["--warmup", str(args.warmup), "--seconds", str(args.seconds)]
    for number in range(args.rounds):
        for (tier, name, workers), found in results.items():
            result = {"missing": notes[name]["missing"]} if "missing" in notes[name] else None
            if result is None:
                result = run(python_of(args, name), SCRIPT, [*shared, "--one", name, tier, str(workers)])
            found.append(result)
            said = result.get("samples_per_s") or result["missing"]
            print(f"round {number + 1}: {tier}, workers {workers}, {name}: {said}", flush=True)
    return [summary(*row, found) for row, found in results.items()]


def summary(tier: str, name: str, workers: int, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians and spread of all rounds of one row."""
    row: dict[str, Any] = {"tier": tier, "peer": name, "workers": workers}
    good = [result for result in results if "samples_per_s" in result]
    failed = [result["missing"] for result in results if "missing" in result]
    if not good:
        return {**row, "missing": failed[-1]}
    rates = sorted(result["samples_per_s"] for result in good)
    memory = zip(*(result["resident_mib"] for result in good), strict=True)
    return {
        **row,
        "samples_per_s": statistics.median(rates),
        "lowest": rates[0],
        "highest": rates[-1],
        "cpu_us": statistics.median(result["cpu_us"] for result in good),
        "first_batch_s": round(statistics.median(result["first_batch_s"] for result in good), 3),
        "resident_mib": [round(statistics.median(each), 1) for each in memory],
        "highest_load_average": max(result["load_average"] for result in good),
        "rounds": len(good),
        "failed_rounds": failed,
    }


def table(found: list[dict[str, Any]]) -> str:
    """The rows as text, fastest first for each tier and number of workers."""
    lines = []
    for tier, workers in dict.fromkeys((row["tier"], row["workers"]) for row in found):
        some = [row for row in found if (row["tier"], row["workers"]) == (tier, workers)]
        columns = "samples/s [lowest to highest], processor time a sample, first batch, memory at three points"
        lines.append(f"\n{tier}, workers {workers}: {columns}")
        for row in sorted(some, key=lambda row: -row.get("samples_per_s", 0)):
            if "missing" in row:
                lines.append(f"  {row['peer']:24}{row['missing']}")
                continue
            memory = " ".join(f"{value:.0f}" for value in row["resident_mib"])
            spread = f"[{row['lowest']:.0f} to {row['highest']:.0f}]"
            rate = f"{row['samples_per_s']:9.0f} {spread:20}{row['cpu_us']:8.0f} us"
            lines.append(f"  {row['peer']:24}{rate}{row['first_batch_s']:8.2f} s   {memory} MiB")
    return "\n".join(lines)


def size_gib(corpus: Corpus) -> float:
    """The size of the shards in GiB."""
    paths = {path for source in corpus.sources for path in corpus.paths(source)}
    return round(sum(Path(path).stat().st_size for path in paths) / 2**30, 2)


def main() -> None:
    """All rounds, or the one measurement asked for."""
    args = arguments()
    corpus = read_corpus(args.corpus)
    if corpus is None:
        print(f"writing a corpus of about {args.samples} samples into {args.corpus}", flush=True)
        corpus = write_corpus(args.corpus, args.samples)
    if args.one:
        leave(one(args, corpus))
    if args.prepare:
        leave(prepare(args.prepare, corpus))
    load = os.getloadavg()[0]
    shared = ["--corpus", str(args.corpus), "--prepare"]
    notes = {name: run(python_of(args, name), SCRIPT, [*shared, name]) for name in args.peers}
    settings = {
        "batch": args.batch,
        "prefetch_batches_per_worker": PREFETCH,
        "threads_per_process": 1,
        "warmup_s": args.warmup,
        "measured_s": args.seconds,
        "rounds": args.rounds,
        "page_cache": "all files of a peer read right before each measurement",
        "corpus_gib": size_gib(corpus),
        "corpus_samples": sum({source.stored_as: source.num_samples for source in corpus.sources}.values()),
        "load_average_before": round(load, 2),
    }
    found = rounds(args, notes)
    report(args.name, {"settings": settings, "peers": notes, "rows": found})
    print(table(found))


if __name__ == "__main__":
    main()
