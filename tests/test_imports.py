"""Imports point one way, those inside functions too."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "ib_data"
SHARED = "shared files"
MAY_IMPORT = {
    SHARED: "",
    "media": "",
    "stored": "",
    "cards": "media stored",
    "builders": "media stored cards",
    "templates": "media stored cards builders",
    "mixtures": "media stored cards builders templates",
    "evaluation": "media stored cards builders templates mixtures",
    "training": "media stored cards builders templates mixtures evaluation",
    "face": "media stored cards builders templates mixtures evaluation",
    "verbs": "media stored cards builders templates mixtures evaluation training face",
}
# The public face names what it offers, and the command line runs the verbs: the only shared files that know a folder.
FRONT_DOOR = {"__init__.py": "mixtures evaluation face", "cli.py": "verbs", "__main__.py": ""}
FRONT_DOOR_MODULES = {"__main__", "cli"}


def modules() -> list[Path]:
    """Every file of the package with its path below `ib_data`; the folders are links, which `rglob` does not follow."""
    folders = [folder for folder in PACKAGE.iterdir() if folder.is_dir() and folder.name != "__pycache__"]
    assert {folder.name for folder in folders} == MAY_IMPORT.keys() - {SHARED}
    found = [PACKAGE / folder.name / file.relative_to(folder) for folder in folders for file in folder.rglob("*.py")]
    return sorted([*PACKAGE.glob("*.py"), *found])


def imported(text: str, package: str) -> list[str]:
    """What `text`, a module of `package`, imports of `ib_data` at any place, as dotted names below it."""
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            # `from ib_data import cards` names a folder; `from ib_data.cards import card` is told by its base.
            names += [f"{base}.{alias.name}" for alias in node.names] if base == "ib_data" else [base]
    return [name.removeprefix("ib_data.") for name in names if name.split(".")[0] == "ib_data"]


def wrong_imports(path: Path, text: str) -> list[str]:
    """The imports of the module at `path` (below `ib_data`) that point the wrong way, a line each."""
    layer = path.parts[0] if len(path.parts) > 1 else SHARED
    allowed = {layer, *MAY_IMPORT[layer].split()}
    if layer == SHARED:
        allowed |= set(FRONT_DOOR.get(path.name, "").split())
    wrong = []
    for name in imported(text, ".".join(("ib_data", *path.parts[:-1]))):
        target = name.split(".")[0]
        is_shared = target not in MAY_IMPORT
        knows_front_door = target in FRONT_DOOR_MODULES and path.name not in FRONT_DOOR
        if knows_front_door or (not is_shared and target not in allowed):
            wrong.append(f"{path}: imports {name}")
    return wrong


def test_imports_point_one_way():
    files = modules()
    assert len(files) > 250
    assert [line for path in files for line in wrong_imports(path.relative_to(PACKAGE), path.read_text())] == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("stored/store.py", "from ib_data.cards.named import card_named"),
        ("stored/store.py", "def read():\n    from ib_data.cards import named"),
        ("cards/card.py", "import ib_data.builders.all"),
        ("cards/card.py", "from ..builders import all"),
        ("builders/gqa.py", "from ib_data import templates"),
        ("templates/library.py", "from ib_data.mixtures.spec.mixture import Mixture"),
        ("mixtures/stream/stream.py", "if TYPE_CHECKING:\n    from ib_data.face.query import query"),
        ("face/query.py", "def train():\n    from ib_data.training.trainer import train"),
        ("training/run.py", "from ib_data.verbs.common import common_options"),
        ("home.py", "from ib_data.stored.manifest import read_manifest"),
        ("builders/gqa.py", "from ib_data.cli import main"),
    ],
)
def test_an_import_of_a_later_part_is_found(path, text):
    assert wrong_imports(Path(path), text) != []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("verbs/train.py", "from ib_data import __version__\nfrom ib_data.training.trainer import train"),
        ("__init__.py", "from .face.query import query"),
        ("cli.py", "from ib_data.verbs import VERBS"),
    ],
)
def test_an_import_of_an_earlier_part_passes(path, text):
    assert wrong_imports(Path(path), text) == []


def test_a_folder_of_mixtures_does_not_load_the_others():
    script = "import sys, ib_data.mixtures; print({'numpy', 'yaml', 'ib_data.mixtures.spec'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("name", "owner"),
    [("manifest.json", "home.py"), ("index.parquet", "stored/manifest.py"), ("drops.parquet", "stored/manifest.py")],
)
def test_the_name_of_a_stored_file_is_written_once(name, owner):
    def writes(path: Path) -> bool:
        return any(
            isinstance(node, ast.Constant) and node.value == name for node in ast.walk(ast.parse(path.read_text()))
        )

    assert [str(path.relative_to(PACKAGE)) for path in modules() if writes(path)] == [owner]
