"""`ib-data doctor`: what this machine can do."""

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import click

from ib_data.home import Home
from ib_data.verbs.arguments import home_option, json_option

# distribution -> what it serves, with the extra that brings it (None: always installed)
PACKAGES = {
    "duckdb": ("catalog and `sql`", None),
    "pyarrow": ("index files", None),
    "pillow": ("images", None),
    "simplejpeg": ("JPEG images", None),
    "torch": ("`train` and `generate`", "train"),
    "transformers": ("`train` and `generate`", "train"),
    "av": ("clips: the three video datasets", "video"),
    "webdataset": ("reading shards in your own run", None),
}


@click.command(name="doctor")
@home_option
@json_option
def command(home: Home, as_json: bool) -> None:
    """What this machine can do, and a remedy for each lack.

    \b
    ib-data doctor
    ib-data doctor --json
    """
    from ib_data.console import table

    rows = [*_machine(), *_packages(), *_gpu(), *_home(home)]
    if as_json:
        click.echo(json.dumps([dict(zip(("what", "state", "remedy"), row, strict=True)) for row in rows], indent=1))
    else:
        click.echo(table(("what", "state", "remedy"), rows))


Line = tuple[str, str, str]


def _machine() -> Iterator[Line]:
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}", ""
    yield "cores", str(os.cpu_count()), ""


def _packages() -> Iterator[Line]:
    for name, (use, extra) in PACKAGES.items():
        try:
            yield name, importlib.metadata.version(name), ""
        except importlib.metadata.PackageNotFoundError:
            yield name, f"not installed: {use}", f"pip install 'ib-data[{extra}]'" if extra else f"pip install {name}"


def _gpu() -> Iterator[Line]:
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    if torch.cuda.is_available():
        yield "gpu", torch.cuda.get_device_name(0), ""
    else:
        yield "gpu", "none: training runs on the CPU", "a CUDA build of torch and a driver, if there is a GPU"


def _home(home: Home) -> Iterator[Line]:
    from ib_data.stored.manifest import survey

    parent = next(path for path in (home.root, *home.root.parents) if path.exists())
    free = shutil.disk_usage(parent).free
    yield "home", str(home.root), "" if os.access(parent, os.W_OK) else "not writable: name another --home"
    yield "disk", f"{free / 1e9:,.1f} GB free", "" if free > 50e9 else "COCO alone takes 40 GB: name a larger --home"
    manifests, damaged = survey(home)
    names = ", ".join(f"{manifest.dataset}/{manifest.split}" for manifest in manifests)
    yield "built", names or "nothing", "" if manifests or damaged else "ib-data build vsr --mini"
    for damage in damaged:
        yield "damaged", damage.error.problem, damage.error.remedy or ""
    if not Path(home.catalog).exists() and manifests:
        yield "catalog", "missing", 'ib-data sql "select * from datasets" makes it'
