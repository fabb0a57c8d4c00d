"""Images per second from an archive to shards, compared with the minimum: python benchmarks/build.py [--write]

One run over the same images: our build with one and two workers, `webdataset.ShardWriter` over the same samples (it
neither opens images nor writes an index), and a bare loop that reads and hashes the members.
"""

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hardware import report

from ib_data.builders.all import BUILDERS
from ib_data.builders.miniature import write_mirror
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.official_files import resolve
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.write.build import build_dataset
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.builders.write.placing import with_media
from ib_data.builders.write.plan import Plan, Planned, group, make_plan
from ib_data.cards import load_card
from ib_data.home import Home

NUM_IMAGES = next((int(word) for word in sys.argv[1:] if word.isdecimal()), 4000)


def fetcher_of(folder: Path) -> Fetcher:
    """A fetcher for the files of the miniature in a folder."""
    checksums = write_mirror(folder / "mirror", num_images=NUM_IMAGES)
    return Fetcher(downloads=folder / "downloads", mirror=(folder / "mirror").as_uri(), checksums=checksums)


def ours(folder: Path, fetcher: Fetcher, workers: int) -> None:
    """The whole build, shards to manifest."""
    home = Home(folder / f"home{workers}")
    build = Build(home=home, fetcher=fetcher, folders=SourceFolders(), options=Options(workers=workers))
    build_dataset(load_card("vqav2"), build)


def planned(fetcher: Fetcher) -> Plan:
    """The same samples with the places of their images."""
    card, folders = load_card("vqav2"), SourceFolders()
    files = resolve(card, "train", None, folders, fetcher)
    images, drops = group(files, BUILDERS["vqav2"](files), card.splits["train"])
    return with_media(make_plan(files, images, drops), folders, fetcher, Options())


def stored(item: Planned) -> bytes:
    """The stored bytes of the image."""
    assert item.place
    return item.place.read("vqav2")


def shard_writer(folder: Path, plan: Plan) -> None:
    """webdataset's writer. Imported here: workers import this file, and would spend seconds on torch."""
    import webdataset

    (folder / "peer").mkdir(parents=True)
    with webdataset.ShardWriter(str(folder / "peer" / "%06d.tar"), maxcount=1000, verbose=0) as writer:
        for item in plan.samples:
            text = item.sample.to_json().encode()
            writer.write({"__key__": item.sample.key, "jpg": stored(item), "json": text})


def bare(plan: Plan) -> None:
    """Only reading and hashing."""
    for item in plan.samples:
        hashlib.sha256(stored(item)).hexdigest()


def rate(work: Callable[[], object]) -> float:
    """Images per second."""
    began = time.perf_counter()
    work()
    return round(NUM_IMAGES / (time.perf_counter() - began), 1)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fetcher = fetcher_of(folder)
        began = time.perf_counter()
        plan = planned(fetcher)
        plan_s = time.perf_counter() - began
        shard_writer(folder / "warm", plan)
        figures = {
            "images": NUM_IMAGES,
            "plan_s": round(plan_s, 2),
            "images_per_s": {
                "bare loop: read and hash": rate(lambda: bare(plan)),
                "webdataset.ShardWriter": rate(lambda: shard_writer(folder, plan)),
                "ib_data, 1 worker": rate(lambda: ours(folder, fetcher, 1)),
                "ib_data, 2 workers": rate(lambda: ours(folder, fetcher, 2)),
            },
        }
    report("build", figures)
