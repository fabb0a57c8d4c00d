"""`ib-data doctor`: what this machine can do.

packages  what is installed
report    a block for a bug report
"""

import json
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import click

from ib_data.console import size_text, table
from ib_data.home import Home
from ib_data.verbs.arguments import home_option, json_option
from ib_data.verbs.doctor.packages import found_packages
from ib_data.verbs.doctor.report import report

_SMALL_BYTES = 50 * 10**9


@click.command(name="doctor")
@click.option("--report", "is_report", is_flag=True, help="One block for a bug report, without user names or secrets.")
@json_option
@home_option
def command(is_report: bool, home: Home, as_json: bool) -> None:
    """Report what this machine can do and what is missing.

    A package counts as installed if it is new enough and can be imported. For everything that is missing there is a
    remedy.

    \b
    ib-data doctor
    ib-data doctor --report
    """
    rows = [*_machine(), *_packages(), *_gpu(), *_home(home)]
    if is_report:
        click.echo(report(rows, as_json))
    elif as_json:
        click.echo(json.dumps([dict(zip(("what", "state", "remedy"), row, strict=True)) for row in rows], indent=1))
    else:
        click.echo(table(("what", "state", "remedy"), rows))


Line = tuple[str, str, str]


def _machine() -> Iterator[Line]:
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}", ""
    yield "cores", str(os.cpu_count()), ""


def _packages() -> Iterator[Line]:
    for found in found_packages():
        use = f": {found.use}" if found.use and found.problem else ""
        state = f"{found.version or ''} {found.problem or ''}".strip() + use
        target = f"'ib-data[{found.extra}]'" if found.extra else "--upgrade ib-data"
        yield found.name, state, f"pip install {target}" if found.problem else ""


def _gpu() -> Iterator[Line]:
    try:
        import torch
    except (ImportError, OSError):  # said among the packages
        return
    if torch.cuda.is_available():
        yield "gpu", torch.cuda.get_device_name(0), ""
    else:
        yield "gpu", "none: training runs on the CPU", "a CUDA build of torch and a driver, if there is a GPU"


def _home(home: Home) -> Iterator[Line]:
    from ib_data.stored.manifest import survey

    parent = next(path for path in (home.root, *home.root.parents) if path.exists())
    free = shutil.disk_usage(parent).free
    yield "home", str(home.root), "" if os.access(parent, os.W_OK) else "not writable: name another --home"
    lack = f"COCO alone takes {size_text(40 * 10**9)}: name a larger --home"
    yield "disk", f"{size_text(free)} free", "" if free > _SMALL_BYTES else lack
    manifests, damaged = survey(home)
    names = ", ".join(f"{manifest.dataset}/{manifest.split}" for manifest in manifests)
    yield "built", names or "nothing", "" if manifests or damaged else "ib-data build vsr --mini"
    for damage in damaged:
        yield "damaged", damage.error.problem, damage.error.remedy or ""
    if not Path(home.catalog).exists() and manifests:
        yield "catalog", "missing", 'ib-data sql "select * from datasets" makes it'
