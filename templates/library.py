"""The templates of each task, read strictly from `templates/TASK.toml` or from a user's folder of such files.

A file holds `target`, a `[train]` table with a line a template, a `[zero_shot]` table keyed by dataset, and `[targets]`
keyed by template where one wants a target of its own. `unused` lists fields that its templates leave out on purpose.
"""

import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib.resources import files as package_files
from pathlib import Path

from ib_data.cards import Card, card_names
from ib_data.errors import DataError, IbDataError, UnknownNameError, did_you_mean, quoted
from ib_data.strict import Table, parse_toml
from ib_data.tasks import TASKS
from ib_data.templates.file_text import TemplateFileError, line_of, read_source, refuse_unknown_keys, text_at
from ib_data.templates.language import TemplateTextError, names_tested, names_used, render_text

# What `fields.values_of` can give; a template that uses any other name is refused when it
# is read.
KNOWN_FIELDS = (
    "answer", "answer_letter", "caption", "context", "history_text", "label", "ocr_text", "options_text", "question",
    "statement",
)  # fmt: skip
KINDS = ("train", "zero_shot")
MAX_TEMPLATES = 200  # of a file: the lint compares every two of them; the longest that comes along has 18
_NAME = re.compile(r"[A-Za-z0-9_-]+")  # names are printed on terminals and pages
# Two forms of one text: an instruction that shows one gives the other away.
_ANSWERS = frozenset({"answer", "answer_letter"})
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
        for target in self.targets:
            if target.needs <= has:
                return target
        return None

    def fits(self, has: Set[str]) -> bool:
        """Whether the fields in `has` are enough for the instruction and a target."""
        return self.needs <= has and self.target_for(has) is not None

    def lacks(self, has: Set[str]) -> frozenset[str]:
        """What is missing in `has` for the instruction and the nearest target."""
        return min((frozenset((self.needs | target.needs) - has) for target in self.targets), key=len)


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """The template file of one task, as far as it can be used.

    `faults` are what cannot be used, most of them a TemplateFileError; `unused` the fields that the file leaves out on
    purpose. `packaged` is the file that comes along.
    """

    task: str
    file: str
    source: str
    packaged: bool = False
    templates: tuple[Template, ...] = ()
    unused: tuple[str, ...] = ()
    faults: tuple[DataError, ...] = ()

    def line_of(self, name: str, section: str | None = None) -> int:
        """The line (from 1) where a key of a section stands; 1 where it is not written as a line of its own."""
        return line_of(self.source, name, section) or 1

    def line_of_target(self, name: str) -> int:
        """The line of a template's own target, else of the one that all share."""
        return line_of(self.source, name, "targets") or self.line_of("target")


@cache
def load_task(task: str, folder: Path | None = None) -> tuple[Template, ...]:
    """All templates of a task, in the order of their file; one in `folder` takes the place of the one that comes along.

    A file is read once a process: a change to it counts from the next start on.

    Raises UnknownNameError for an unknown task, IbDataError for a `folder` that holds no template file or one that is
    named after no task, DataError (file, line and template named) for a key, a field or a text that cannot be used.
    """
    found = load_file(task, folder)
    if found.faults:
        raise found.faults[0]
    return found.templates


def load_file(task: str, folder: Path | None = None) -> TemplateFile:
    """The template file of a task with all its faults. Raises IbDataError as `load_task` does, but for faults."""
    if task not in TASKS:
        raise UnknownNameError(f"unknown task {task!r}; {did_you_mean(task, TASKS)}")
    if folder and task in _user_files(folder):
        path = folder / f"{task}.toml"
        try:
            return parse_file(task, read_source(path), str(path))
        except TemplateFileError as fault:
            return TemplateFile(task, str(path), "", faults=(fault,))
    source = package_files("ib_data.templates").joinpath(f"{task}.toml")
    found = parse_file(task, source.read_text(encoding="utf-8"), f"templates/{task}.toml")
    return replace(found, packaged=True)


def zero_shot(card: Card, folder: Path | None = None) -> Template | None:
    """The prompt with which a held-out dataset is evaluated (paper, appendix E); None where there is none."""
    return next((t for t in load_task(card.task, folder) if t.kind == "zero_shot" and t.name == card.name), None)


def parse_file(task: str, source: str, file: str) -> TemplateFile:
    """The templates in the text of one file, and its faults: all of its templates', or the first of the file itself."""
    try:
        table = Table.of(parse_toml(source), "templates", file)
        refuse_unknown_keys(table, ("target", "targets", "unused", *KINDS), source)
        names = [name for kind in KINDS for name in table.table(kind).values]
        if len(names) > MAX_TEMPLATES:
            problem = f"{len(names):,} templates; at most {MAX_TEMPLATES} are allowed"
            raise TemplateFileError(file, None, "file", problem)
        refuse_unknown_keys(table.table("zero_shot"), {*card_names(), *PAPER_HELD_OUT}, source, "zero_shot")
        refuse_unknown_keys(table.table("targets"), names, source, "targets")
        shared = _shared_targets(table, source)
        unused = _texts(table, "unused", line_of(source, "unused"))
        _refuse_unknown(unused, table, line_of(source, "unused"), "unused")
    except ValueError as error:
        found = re.search(r"at line (\d+)", str(error))
        fault = TemplateFileError(file, int(found[1]) if found else None, "file", str(error))
        return TemplateFile(task, file, source, faults=(fault,))
    except DataError as error:
        return TemplateFile(task, file, source, faults=(error,))
    templates: list[Template] = []
    faults: list[DataError] = []
    for kind in KINDS:
        for name in table.table(kind).values:
            try:
                templates.append(_template(task, name, kind, shared, table, source))
            except DataError as error:
                faults.append(error)
    faults += _repeats(templates, file, source)
    return TemplateFile(task, file, source, templates=tuple(templates), unused=unused, faults=tuple(faults))


def _user_files(folder: Path) -> tuple[str, ...]:
    tasks = tuple(sorted(path.stem for path in folder.glob("*.toml")))
    if not tasks:
        raise IbDataError(f"{folder} holds no template file; name them TASK.toml, TASK one of {', '.join(TASKS)}")
    for task in tasks:
        if task not in TASKS:
            raise IbDataError(f"{folder / task}.toml is named after no task; {did_you_mean(task, TASKS)}")
    return tasks


def _template(task: str, name: str, kind: str, shared: tuple[Target, ...], table: Table, source: str) -> Template:
    """The template `name` of the table `kind`; DataError where it cannot be used."""
    line, place = line_of(source, name, kind), f"template {name!r}"
    if not _NAME.fullmatch(name):
        problem = "a name may hold nothing but letters a to z, digits, _ and -"
        raise TemplateFileError(table.file, line, place, problem, "rename it")
    text = text_at(table.table(kind), name, line, place)
    fields = _checked(text, table, line, place)
    targets = shared
    own = table.table("targets")
    if name in own.values:
        own_line, own_place = line_of(source, name, "targets"), f"target of {name!r}"
        targets = (_target(text_at(own, name, own_line, own_place), table, own_line, own_place),)
    hidden = frozenset().union(*(target.needs for target in targets))
    hidden |= _ANSWERS if hidden & _ANSWERS else frozenset()
    if leaked := fields & hidden:
        problem = f"the instruction shows the target {sorted(leaked)}"
        raise TemplateFileError(table.file, line, place, problem)
    needs = fields - names_tested(text) - frozenset(EMPTY_SLOTS if kind == "zero_shot" else ())
    return Template(task, name, kind, text, sha256(text.encode()).hexdigest(), fields, needs, targets)


def _shared_targets(table: Table, source: str) -> tuple[Target, ...]:
    """The targets of all templates of a file: one text, or a list of which the first that fits is rendered."""
    if "target" not in table.values:
        raise table.error("key 'target' is missing", "say in line 1 what is learnt, such as target = '{{ answer }}'")
    line = line_of(source, "target")
    several = isinstance(table.values["target"], list)
    texts = _texts(table, "target", line) if several else (text_at(table, "target", line, "target"),)
    if not texts:
        raise TemplateFileError(table.file, line, "target", "'target' is an empty list")
    return tuple(_target(text, table, line, "target") for text in texts)


def _texts(table: Table, key: str, line: int | None) -> tuple[str, ...]:
    """The list of texts at a key of the file itself; empty where absent."""
    value = table.values.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        problem = f"{key!r}: expected a list of texts, found {quoted(value)}"
        raise TemplateFileError(table.file, line, key, problem)
    return tuple(value)


def _target(text: str, table: Table, line: int | None, place: str) -> Target:
    return Target(text, _checked(text, table, line, place))


def _checked(text: str, table: Table, line: int | None, place: str) -> frozenset[str]:
    """The fields of a usable text; rendered once with every field set, since some faults show only then."""
    if text != text.strip() or not text:
        problem = f"expected a text without blanks at its ends, found {quoted(text)}"
        raise TemplateFileError(table.file, line, place, problem)
    try:
        fields = names_used(text)
        _refuse_unknown(sorted(fields), table, line, place)
        render_text(text, dict.fromkeys(KNOWN_FIELDS, "x"))
    except TemplateTextError as error:
        shift = None if line is None else line + error.line - 1
        raise TemplateFileError(table.file, shift, place, str(error)) from error
    return fields


def _refuse_unknown(fields: Iterable[str], table: Table, line: int | None, place: str) -> None:
    for name in fields:
        if name not in KNOWN_FIELDS:
            nearest = did_you_mean(name, KNOWN_FIELDS)
            raise TemplateFileError(table.file, line, place, f"unknown field {name!r}", nearest)


def _repeats(templates: list[Template], file: str, source: str) -> Iterator[TemplateFileError]:
    """A fault for every name under both kinds, and every training text that stands twice."""
    names: dict[str, Template] = {}
    texts: dict[str, Template] = {}
    for template in templates:
        line = line_of(source, template.name, template.kind)
        place = f"template {template.name!r}"
        if template.name in names:
            problem = f"the name {template.name!r} stands under both [train] and [zero_shot]"
            yield TemplateFileError(file, line, place, problem, "rename one")
        # A held-out prompt may be shared by several datasets; a training text twice would be drawn twice as often.
        if template.kind == "train" and (first := texts.get(template.text)):
            problem = f"templates {first.name!r} and {template.name!r} have the same text"
            yield TemplateFileError(file, line, place, problem, "delete one")
        names[template.name] = texts[template.text] = template
