"""The templates of each task, read strictly from `templates/TASK.toml` or from a user's folder of such files.

A file holds `target`, a `[train]` table with a line a template, and a `[zero_shot]` table keyed by dataset.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files as package_files
from pathlib import Path

import jinja2

from ib_data.cards import Card, card_names
from ib_data.errors import DataError, IbDataError, did_you_mean, quoted
from ib_data.strict import Table
from ib_data.tasks import TASKS
from ib_data.templates.language import TemplateTextError, compiled, names_used

# What `render.field_values` can give; a template that uses any other name is refused when it is read.
KNOWN_FIELDS = ("answer", "caption", "context", "label", "ocr_text", "options_text", "question", "statement")
KINDS = ("train", "zero_shot")


@dataclass(frozen=True, slots=True)
class Template:
    """One instruction text of a task. `kind` is `train` or `zero_shot` (then `name` is the dataset's).

    `sha256` is that of `text` in UTF-8, in hex. `fields` are the names that `text` uses, `needs` those that `text` or
    `target` use: an annotation that has all of `needs` can be rendered.
    """

    task: str
    name: str
    kind: str
    text: str
    sha256: str
    fields: frozenset[str]
    target: str
    needs: frozenset[str]

    @property
    def shows_options(self) -> bool:
        """Whether the instruction lists the options; the answer is then the right option."""
        return "options_text" in self.fields


def tasks_with_templates(folder: Path | None = None) -> tuple[str, ...]:
    """The tasks that have a template file here or in `folder`, in the order of the paper's groups.

    Raises IbDataError where `folder` holds no template file, or one that is named after no task.
    """
    own = {item.name[:-5] for item in package_files("ib_data.templates").iterdir() if item.name.endswith(".toml")}
    found = own | set(_user_files(folder) if folder else ())
    return tuple(task for task in TASKS if task in found)


@cache
def load_task(task: str, folder: Path | None = None) -> tuple[Template, ...]:
    """All templates of a task, in the order of their file; one in `folder` takes the place of the one that comes along.

    Raises IbDataError for an unknown task or one without templates, DataError (file, line and template named) for a
    key, a field or a text that cannot be used.
    """
    if task not in TASKS:
        raise IbDataError(f"unknown task {task!r}; {did_you_mean(task, TASKS)}")
    if task not in tasks_with_templates(folder):
        raise IbDataError(f"task {task!r} has no templates; pass a folder that holds {task}.toml with --templates DIR")
    if folder and task in _user_files(folder):
        path = folder / f"{task}.toml"
        return parse_templates(task, _read_text(path), str(path))
    source = package_files("ib_data.templates").joinpath(f"{task}.toml")
    return parse_templates(task, source.read_text(encoding="utf-8"), f"templates/{task}.toml")


def zero_shot(card: Card, folder: Path | None = None) -> Template | None:
    """The prompt with which a held-out dataset is evaluated (paper, appendix E); None where there is none."""
    return next((t for t in load_task(card.task, folder) if t.kind == "zero_shot" and t.name == card.name), None)


def parse_templates(task: str, text: str, file: str) -> tuple[Template, ...]:
    """The templates in the text of one file; DataError as `load_task` says."""
    try:
        table = Table.of(tomllib.loads(text), "templates", file).only(("target", *KINDS))
    except tomllib.TOMLDecodeError as error:
        raise DataError("templates", f"not TOML: {error}", file=file) from error
    target = table.get("target", str)
    templates = list(_templates(task, table, target, text))
    _refuse_repeats(templates, table)
    return tuple(templates)


def _user_files(folder: Path) -> tuple[str, ...]:
    tasks = tuple(sorted(path.stem for path in folder.glob("*.toml")))
    if not tasks:
        raise IbDataError(f"{folder} holds no template file; name them TASK.toml, TASK one of {', '.join(TASKS)}")
    for task in tasks:
        if task not in TASKS:
            raise IbDataError(f"{folder / task}.toml is named after no task; {did_you_mean(task, TASKS)}")
    return tasks


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError("templates", f"not UTF-8: {error}", file=str(path), remedy="save it as UTF-8") from error


def _templates(task: str, table: Table, target: str, source: str) -> Iterator[Template]:
    outputs = _checked(target, table, _line_of(source, "target"), "target")
    table.table("zero_shot").only(card_names())
    for kind in KINDS:
        entries = table.table(kind)
        for name in entries.values:
            text = entries.get(name, str)
            line = _line_of(source, name, kind)
            fields = _checked(text, table, line, f"template {name!r}")
            if leaked := fields & outputs:
                raise _error(table, line, f"template {name!r}", f"the instruction shows the target {sorted(leaked)}")
            digest = sha256(text.encode()).hexdigest()
            yield Template(task, name, kind, text, digest, fields, target, fields | outputs)


def _checked(text: str, table: Table, line: int | None, place: str) -> frozenset[str]:
    """The fields of a usable text; rendered once with every field set, since some faults show only then."""
    if text != text.strip() or not text:
        raise _error(table, line, place, f"expected a text without blanks at its ends, found {quoted(text)}")
    try:
        fields = names_used(text)
    except TemplateTextError as error:
        shift = None if line is None else line + error.line - 1
        raise _error(table, shift, place, str(error)) from error
    for name in sorted(fields - set(KNOWN_FIELDS)):
        raise _error(table, line, place, f"unknown field {name!r}", did_you_mean(name, KNOWN_FIELDS))
    try:
        compiled(text).render(dict.fromkeys(KNOWN_FIELDS, "x"))
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise _error(table, line, place, f"cannot be rendered: {error}") from error
    return fields


def _refuse_repeats(templates: list[Template], table: Table) -> None:
    names: dict[str, Template] = {}
    texts: dict[tuple[str, str], Template] = {}
    for template in templates:
        if template.name in names:
            raise table.error(f"the name {template.name!r} stands under both [train] and [zero_shot]", "rename one")
        # A held-out prompt may be shared by several datasets; a training text twice would be drawn twice as often.
        if template.kind == "train" and (first := texts.get((template.kind, template.text))):
            raise table.error(f"templates {first.name!r} and {template.name!r} have the same text", "delete one")
        names[template.name] = texts[template.kind, template.text] = template


def _error(table: Table, line: int | None, place: str, problem: str, remedy: str | None = None) -> DataError:
    row = place if line is None else f"line {line}, {place}"
    return DataError(table.owner, problem, file=table.file, row=row, remedy=remedy)


def _line_of(source: str, key: str, section: str | None = None) -> int | None:
    """The line (from 1) where `key =` stands, after `[section]`; None for a way of writing it that is not a line."""
    start = re.search(rf"^\s*\[{section}\]", source, re.MULTILINE) if section else None
    found = re.compile(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*=", re.MULTILINE).search(
        source, start.end() if start else 0
    )
    return source.count("\n", 0, found.start()) + 1 if found else None
