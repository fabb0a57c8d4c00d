"""The templates of each task, read strictly from `templates/TASK.toml` or from a user's folder of such files.

A file holds `target`, a `[train]` table with a line a template, a `[zero_shot]` table keyed by dataset, and `[targets]`
keyed by template where one wants a target of its own.
"""

import re
import tomllib
from collections.abc import Iterator, Set
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
from ib_data.templates.language import TemplateTextError, compiled, names_tested, names_used

# What `render.field_values` can give; a template that uses any other name is refused when it is read.
KNOWN_FIELDS = (
    "answer", "answer_letter", "caption", "context", "history_text", "label", "ocr_text", "options_text", "question",
    "statement",
)  # fmt: skip
KINDS = ("train", "zero_shot")
# A zero-shot prompt is rendered for every annotation of its dataset. Where one has no hint or no OCR tokens the slot is
# filled with the empty text and its label stays, as in the released code (LAVIS, blip2_vicuna_instruct.py).
EMPTY_SLOTS = ("context", "ocr_text")
# The datasets of the paper's zero-shot table: a prompt may be keyed by one that has no card.
PAPER_HELD_OUT = (
    "nocaps", "flickr30k", "gqa", "vsr", "iconqa", "textvqa", "visdial", "hateful_memes", "vizwiz", "scienceqa",
    "msvd_qa", "msrvtt_qa", "ivqa",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """The text of a target, and the fields that an annotation must have for it."""

    text: str
    needs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Template:
    """One instruction text of a task. `kind` is `train` or `zero_shot` (then `name` is the dataset's).

    `sha256` is that of `text` in UTF-8, in hex. `fields` are the names that `text` uses, `needs` those of them that
    the annotation must have: the others are empty where it lacks them. Of `targets` the first that fits is rendered.
    """

    task: str
    name: str
    kind: str
    text: str
    sha256: str
    fields: frozenset[str]
    needs: frozenset[str]
    targets: tuple[Target, ...]

    @property
    def optional(self) -> frozenset[str]:
        """The fields that the annotation may lack."""
        return self.fields - self.needs

    @property
    def shows_options(self) -> bool:
        """Whether the instruction lists the options, if there are any; the answer is then the right option."""
        return "options_text" in self.fields

    def target_for(self, has: Set[str]) -> Target | None:
        """The first target that the fields in `has` are enough for."""
        return next((target for target in self.targets if target.needs <= has), None)

    def fits(self, has: Set[str]) -> bool:
        """Whether the fields in `has` are enough for the instruction and a target."""
        return self.needs <= has and self.target_for(has) is not None

    def lacks(self, has: Set[str]) -> frozenset[str]:
        """What is missing in `has` for the instruction and the nearest target."""
        return min((frozenset((self.needs | target.needs) - has) for target in self.targets), key=len)


@cache
def load_task(task: str, folder: Path | None = None) -> tuple[Template, ...]:
    """All templates of a task, in the order of their file; one in `folder` takes the place of the one that comes along.

    Raises IbDataError for an unknown task and for a `folder` that holds no template file or one that is named after no
    task, DataError (file, line and template named) for a key, a field or a text that cannot be used.
    """
    if task not in TASKS:
        raise IbDataError(f"unknown task {task!r}; {did_you_mean(task, TASKS)}")
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
        table = Table.of(tomllib.loads(text), "templates", file).only(("target", "targets", *KINDS))
    except tomllib.TOMLDecodeError as error:
        raise DataError("templates", f"not TOML: {error}", file=file) from error
    templates = list(_templates(task, table, text))
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


def _templates(task: str, table: Table, source: str) -> Iterator[Template]:
    shared = _shared_targets(table, source)
    table.table("zero_shot").only({*card_names(), *PAPER_HELD_OUT})
    own = table.table("targets").only([name for kind in KINDS for name in table.table(kind).values])
    for kind in KINDS:
        entries = table.table(kind)
        for name in entries.values:
            text = entries.get(name, str)
            line = _line_of(source, name, kind)
            fields = _checked(text, table, line, f"template {name!r}")
            targets = shared
            if name in own.values:
                place = _line_of(source, name, "targets")
                targets = (_target(own.get(name, str), table, place, f"target of {name!r}"),)
            if leaked := fields & frozenset().union(*(target.needs for target in targets)):
                raise _error(table, line, f"template {name!r}", f"the instruction shows the target {sorted(leaked)}")
            needs = fields - names_tested(text) - frozenset(EMPTY_SLOTS if kind == "zero_shot" else ())
            digest = sha256(text.encode()).hexdigest()
            yield Template(task, name, kind, text, digest, fields, needs, targets)


def _shared_targets(table: Table, source: str) -> tuple[Target, ...]:
    """The targets of all templates of a file: one text, or a list of which the first that fits is rendered."""
    several = isinstance(table.values.get("target"), list)
    texts = table.texts("target") if several else (table.get("target", str),)
    if not texts:
        raise table.error("'target' is an empty list")
    return tuple(_target(text, table, _line_of(source, "target"), "target") for text in texts)


def _target(text: str, table: Table, line: int | None, place: str) -> Target:
    return Target(text, _checked(text, table, line, place))


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
