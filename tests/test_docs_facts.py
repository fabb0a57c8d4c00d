"""Files, modules, names and extras in the docs exist; lists and counts match the code."""

import ast
import importlib.util
import os
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from runpy import run_path

import pytest

import ib_data
from ib_data.cards import card_names, load_card
from ib_data.mixtures.spec.spec_file import RULES as WEIGHT_RULES
from ib_data.mixtures.spec.spec_file import load_mixture, mixture_names
from ib_data.stream_options import AUGMENTS
from ib_data.tasks import TASKS
from ib_data.templates.lint.report import RULES as LINT_RULES
from ib_data.training.config.train_config import FREE, GROWING

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROOMS = sorted(path.name for path in (ROOT / "src" / "ib_data").iterdir() if path.is_symlink())  # top-level packages
FOLDERS = (*ROOMS, "src", "tests", "benchmarks", "docs", ".ci")
MADE_BY_THE_READER = re.compile("birds|mine|my_|my-")  # files that a page tells its reader to write
OTHER_PROJECTS = {"blip2_vicuna_instruct.py"}
WORDS = {"four": 4, "five": 5, "six": 6}


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def inline(page: Path) -> list[str]:
    """The inline code of a page."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text)]


def first_cells(page: str, heading: str) -> list[str]:
    """The first column of the first table under a heading, without its head."""
    _, found, rest = text_of(page).partition(f"{heading}\n")
    assert found, f"{page} has no heading {heading!r}"
    rows = [line for line in re.split(r"\n#", rest)[0].splitlines() if line.startswith("|")]
    return [row.split("|")[1].strip() for row in rows[2:]]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_in_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    trees = re.findall(
        r"(?<!\S)(?:docs|src|tests|benchmarks|cards)/[\w./-]*", "".join(b for _, b in FENCED.findall(text))
    )
    for code in (*inline(page), *trees):
        path = code.split()[-1] if code.startswith(("python ", "sh ")) else code
        if " " in path or MADE_BY_THE_READER.search(path) or path in OTHER_PROJECTS:
            continue
        if path.split("/")[0] in FOLDERS and "/" in path:
            pattern = re.sub(r"[A-Z]{3,}", "*", path).rstrip("/")
            assert any(ROOT.glob(pattern)), f"{page.name}: {path} is not there"
        elif re.fullmatch(r"\w+\.py", path):
            assert path in python_files(), f"{page.name}: no file is called {path}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert run_path(str(ROOT / "docs" / "check_links.py"))["broken"](page) == []


@cache
def python_files() -> dict[str, str]:
    """The text of every Python file of the project by its name (of one of them, where several share it)."""
    found = {}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):  # does not follow the links in src
            found[path.name] = found.get(path.name, "") + path.read_text(encoding="utf-8")
    return found


def module_and_name(dotted: str) -> tuple[str, list[str]]:
    """The longest module that a dotted name begins with, and what is left of it."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        path = ROOT / "src" / Path(*parts[:length])
        if path.is_dir() or path.with_suffix(".py").exists():
            return ".".join(parts[:length]), parts[length:]
    return "", parts


def has_name(module: str, name: str) -> bool:
    """Whether a module binds a name; its text tells, so that nothing as slow as torch is imported for it."""
    if module == "ib_data" and hasattr(ib_data, name):
        return True
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return name in bound(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))


def bound(tree: ast.Module) -> set[str]:
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def imported(page: Path) -> Iterator[tuple[str, str]]:
    """Each (module, name) that the Python blocks of a page import from ib_data."""
    for language, block in FENCED.findall(page.read_text(encoding="utf-8")):
        if language == "python" and "import" in block:
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ib_data"):
                    yield from ((str(node.module), alias.name) for alias in node.names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_and_import_of_a_page_exists(page: Path) -> None:
    for code in inline(page):
        for dotted in re.findall(r"\bib_data(?:\.\w+)+", code):
            module, rest = module_and_name(dotted)
            assert not rest or has_name(module, rest[0]), f"{page.name}: {dotted} is not there"
    for module, name in imported(page):
        longest, rest = module_and_name(f"{module}.{name}")
        assert not rest or (rest == [name] and has_name(longest, name)), f"{page.name}: {module} has no {name}"


def test_names_of_code_in_a_page_are_in_the_code() -> None:
    """`Stream.visit` and the like: each part is a word of some Python file, other than the tests of the docs."""
    texts = (text for name, text in python_files().items() if not name.startswith("test_docs"))
    words = set(re.findall(r"\w+", "".join(texts)))
    for page in PAGES:
        for code in inline(page):
            dotted = re.fullmatch(r"([A-Z][a-z]+[A-Za-z]*(?:\.\w+)*)(\(.*\))?", code)
            if dotted and "_" not in code.split(".")[0]:
                missing = set(dotted[1].split(".")) - words
                assert not missing, f"{page.name}: `{code}`: the code has no {missing}"


def test_every_environment_variable_of_a_page_is_read_somewhere() -> None:
    texts = "".join(text for name, text in python_files().items() if not name.startswith("test_docs"))
    for page in PAGES:
        for name in re.findall(r"\bIB_DATA_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")):
            assert name in texts, f"{page.name}: {name} is read nowhere"


def test_pages_that_the_code_names_exist() -> None:
    for name, text in python_files().items():
        for page in re.findall(r"docs/[a-z-]+\.md", text):
            assert (ROOT / page).exists(), f"{name} names {page}, which is not there"


def test_every_extra_of_a_page_exists() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    for page in PAGES:
        for extras in re.findall(r"(?:ib-data|['\s]\.)\[([\w,]+)\]", page.read_text(encoding="utf-8")):
            assert set(extras.split(",")) <= project["optional-dependencies"].keys(), f"{page.name}: [{extras}]"


def test_the_tree_of_the_readme_is_the_tree() -> None:
    listed = set(re.findall(r"^(\S+)/ ", text_of("README.md"), re.MULTILINE))
    rooms = [ROOT / name for name in ROOMS] + [ROOT / "src" / "ib_data"]
    inner = {path.parent for room in rooms for path in room.glob("*/__init__.py") if not path.parent.is_symlink()}
    found = {os.path.relpath(path, ROOT) for path in (*rooms, *inner)} - {"src/ib_data/verbs"}
    assert listed - {"tests", "benchmarks", "docs"} == found


def counts() -> dict[str, int]:
    roles = [load_card(name).role for name in card_names()]
    held_in, held_out = roles.count("held-in"), roles.count("held-out")
    return {
        "datasets": held_in + held_out,
        "vision-language datasets": held_in + held_out,
        "held-in datasets": held_in,
        "held-out datasets": held_out,
        "task groups": len(TASKS),
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_counts_of_datasets_and_tasks_are_those_of_the_code(page: Path) -> None:
    known = counts()
    text = " ".join(page.read_text(encoding="utf-8").split())
    for number, noun in re.findall(rf"\b(\d+) ({'|'.join(known)})\b", text):
        assert int(number) == known[noun], f"{page.name}: {number} {noun}"


def test_the_readme_counts_what_there_is() -> None:
    known = counts()
    text = " ".join(text_of("README.md").split())
    expected = f"the {known['held-in datasets']} it trains on and the {known['held-out datasets']} it holds out"
    assert expected in text


def test_the_page_on_mixtures_lists_every_packaged_one_and_every_rule() -> None:
    table = [name for cell in first_cells("docs/mixtures.md", "# Mixtures") for name in named(cell)]
    assert sorted(table) == sorted(mixture_names())
    (line,) = re.findall(r'^rule = "(\w+)" +# or (.*)$', text_of("docs/mixtures.md"), re.MULTILINE)
    assert {line[0], *re.findall(r"\b\w+\b", re.sub(r"\([^)]*\)", "", line[1]))} == set(WEIGHT_RULES)
    (number,) = re.findall(r"^\| `demo` \| (\w+) members", text_of("docs/mixtures.md"), re.MULTILINE)
    assert WORDS[number] == len(load_mixture("demo").members)


def test_the_page_on_templates_lists_every_rule_of_the_linter() -> None:
    cells = first_cells("docs/templates.md", "## Lint")
    assert [name for cell in cells for name in named(cell)] == list(LINT_RULES)


def test_the_page_on_streaming_lists_every_augmentation() -> None:
    (row,) = re.findall(r"^\| `ImageOptions\(augment=\.\.\.\)` \| (.*) \|$", text_of("docs/streaming.md"), re.MULTILINE)
    assert named(row) == list(AUGMENTS)


def test_the_page_on_training_lists_the_keys_that_may_differ_when_a_run_is_resumed() -> None:
    cells = first_cells("docs/training.md", "## Resume")
    assert sorted(name for cell in cells for name in named(cell)) == sorted((*FREE, *GROWING))
    rows = re.findall(r"^\| (`.*?) \| may only grow", text_of("docs/training.md"), re.MULTILINE)
    assert [name for cell in rows for name in named(cell)] == list(GROWING)
