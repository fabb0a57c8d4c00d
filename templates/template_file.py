"""Parses a template file strictly, within size limits, and gives each fault its line.

A file has `target`, a `[train]` table with one template per line, a `[zero_shot]` table keyed by dataset, and
`[targets]` keyed by template for templates with their own target. `unused` lists fields left out on purpose.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from ib_data.cards import card_names
from ib_data.errors import DataError, did_you_mean, quoted
from ib_data.strict import Table, parse_toml
from ib_data.templates.language import TemplateTextError, always_renders, names_tested, names_used, render_text
from ib_data.templates.template import Target, Template

# The names that `values.values_of` provides; a template with any other name is an error when it is read.
KNOWN_FIELDS = (
    "answer", "answer_letter", "caption", "context", "history_text", "label", "ocr_text", "options_text", "question",
    "statement",
)  # fmt: skip
KINDS = ("train", "zero_shot")
MAX_TEMPLATES = 200  # per file: the lint compares every pair; the longest packaged file has 18
_NAME = re.compile(r"[A-Za-z0-9_-]+")  # names are printed on terminals and pages
# Two forms of one answer: an instruction that shows one gives the other away.
_ANSWERS = frozenset({"answer", "answer_letter"})
# A zero-shot prompt is rendered for every annotation of its dataset. Without a hint or OCR tokens the slot is filled
# with the empty text and its label stays, as in the released code (LAVIS, blip2_vicuna_instruct.py).
EMPTY_SLOTS = ("context", "ocr_text")
# The datasets of the paper's zero-shot table; a prompt may be for one without a card.
PAPER_HELD_OUT = (
    "nocaps", "flickr30k", "gqa", "vsr", "iconqa", "textvqa", "visdial", "hateful_memes", "vizwiz", "scienceqa",
    "msvd_qa", "msrvtt_qa", "ivqa",
)  # fmt: skip
MAX_FILE_BYTES = 1_000_000  # 200 templates of 2,000 characters, each with a target, have 800,000
_HEAD = re.compile(r"^[ \t]*\[+[ \t]*[\"']?([\w-]+)[^\]\n]*\]+[ \t]*(?:#.*)?$", re.MULTILINE)


class TemplateFileError(DataError):
    """A fault in a template file: `line` (from 1), `name` of the template or key, and `problem`."""

    def __init__(self, file: str, line: int | None, place: str, problem: str, remedy: str | None = None) -> None:
        row = place if line is None else f"line {line}, {place}"
        super().__init__("templates", problem, file=file, row=row, remedy=remedy)
        self.line = line or 1
        self.name = place.removeprefix("template ").replace("'", "")
        self.problem = f"{problem}; {remedy}" if remedy else problem


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """The usable templates of one task's file.

    `faults` are the errors of unusable parts, mostly TemplateFileError; `unused` are fields left out on purpose.
    `packaged`: the file is not from a user's folder.
    """

    task: str
    file: str
    source: str
    packaged: bool = False
    templates: tuple[Template, ...] = ()
    unused: tuple[str, ...] = ()
    faults: tuple[DataError, ...] = ()

    def line_of(self, name: str, section: str | None = None) -> int:
        """The line (from 1) of a key in a section; 1 if the key is not on its own line."""
        return line_of(self.source, name, section) or 1

    def line_of_target(self, name: str) -> int:
        """The line of a template's own target, else of the shared one."""
        return line_of(self.source, name, "targets") or self.line_of("target")


def read_source(path: Path) -> str:
    """The text of a template file.

    Raises TemplateFileError if it is not a regular file (a pipe would never end), larger than MAX_FILE_BYTES, or not
    UTF-8.
    """
    file = str(path)
    if not path.is_file():
        raise TemplateFileError(file, None, "file", "not a regular file", "put the text itself there")
    with path.open("rb") as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        problem = f"more than {MAX_FILE_BYTES:,} bytes"
        raise TemplateFileError(file, None, "file", problem, "keep fewer or shorter templates")
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise TemplateFileError(file, None, "file", f"not UTF-8: {error}", "save it as UTF-8") from error


def line_of(source: str, key: str, section: str | None = None) -> int | None:
    """The line (from 1) of `key =` in `[section]` or before the first section, or None.

    Without a `section` the key may also be a section header. There is no line if a table is inline or dotted.
    """
    heads = [(found[1], found.start()) for found in _HEAD.finditer(source)]
    bounds = [(None, 0), *heads, (None, len(source))]
    for (name, start), (_, end) in pairwise(bounds):
        if name == section:
            found = re.search(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*=", source[start:end], re.MULTILINE)
            if found:
                return source.count("\n", 0, start + found.start()) + 1
            break
    starts = [start for name, start in heads if name == key and section is None]
    return source.count("\n", 0, starts[0]) + 1 if starts else None


def require_known_keys(table: Table, known: Collection[str], source: str, section: str | None = None) -> None:
    """Raise TemplateFileError, with its line, for the first key of a section that is not in `known`."""
    for key in table.values:
        if key not in known:
            line = line_of(source, key, section)
            raise TemplateFileError(
                table.file, line, section or "file", f"unknown key {key!r}", did_you_mean(key, known)
            )


def text_at(table: Table, key: str, line: int | None, place: str) -> str:
    """The text at `key`. Raises TemplateFileError if it is not a text."""
    value = table.values[key]
    if not isinstance(value, str):
        raise TemplateFileError(table.file, line, place, f"expected a text, found {quoted(value)}")
    return value


def parse_file(task: str, source: str, file: str) -> TemplateFile:
    """The templates in the text of one file, with the faults of all of them, or the first fault of the file."""
    try:
        table = Table.of(parse_toml(source), "templates", file)
        require_known_keys(table, ("target", "targets", "unused", *KINDS), source)
        names = [name for kind in KINDS for name in table.table(kind).values]
        if len(names) > MAX_TEMPLATES:
            problem = f"{len(names):,} templates; at most {MAX_TEMPLATES} are allowed"
            raise TemplateFileError(file, None, "file", problem)
        require_known_keys(table.table("zero_shot"), {*card_names(), *PAPER_HELD_OUT}, source, "zero_shot")
        require_known_keys(table.table("targets"), names, source, "targets")
        shared = _shared_targets(table, source)
        unused = _texts(table, "unused", line_of(source, "unused"))
        _require_known(unused, table, line_of(source, "unused"), "unused")
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


def _template(task: str, name: str, kind: str, shared: tuple[Target, ...], table: Table, source: str) -> Template:
    """The template `name` of the table `kind`. Raises DataError if it cannot be used."""
    line, place = line_of(source, name, kind), f"template {name!r}"
    if not _NAME.fullmatch(name):
        problem = "a name may hold nothing but letters a to z, digits, _ and -"
        raise TemplateFileError(table.file, line, place, problem, "rename it")
    text = text_at(table.table(kind), name, line, place)
    targets = shared
    own = table.table("targets")
    if name in own.values:
        own_line, own_place = line_of(source, name, "targets"), f"target of {name!r}"
        targets = (_target(text_at(own, name, own_line, own_place), table, own_line, own_place),)
    return _made(task, name, kind, text, targets, table, line, place)


def own_prompt(task: str, dataset: str, text: str, targets: tuple[Target, ...]) -> Template:
    """A zero-shot prompt that is in no file. Raises TemplateFileError if the text cannot be used."""
    return _made(task, dataset, "zero_shot", text, targets, Table.of({}, "templates", "the prompt"), None, "text")


def _made(
    task: str, name: str, kind: str, text: str, targets: tuple[Target, ...], table: Table, line: int | None, place: str
) -> Template:
    fields = _checked(text, table, line, place)
    hidden = frozenset().union(*(target.needs for target in targets))
    hidden |= _ANSWERS if hidden & _ANSWERS else frozenset()
    if leaked := fields & hidden:
        problem = f"the instruction shows the target {sorted(leaked)}"
        raise TemplateFileError(table.file, line, place, problem)
    needs = fields - names_tested(text) - frozenset(EMPTY_SLOTS if kind == "zero_shot" else ())
    return Template(task, name, kind, text, sha256(text.encode()).hexdigest(), fields, needs, targets)


def _shared_targets(table: Table, source: str) -> tuple[Target, ...]:
    """The shared targets of a file: one text, or a list of which the first that fits is rendered."""
    if "target" not in table.values:
        raise table.error("key 'target' is missing", "put the target in line 1, such as target = '{{ answer }}'")
    line = line_of(source, "target")
    several = isinstance(table.values["target"], list)
    texts = _texts(table, "target", line) if several else (text_at(table, "target", line, "target"),)
    if not texts:
        raise TemplateFileError(table.file, line, "target", "'target' is an empty list")
    return tuple(_target(text, table, line, "target") for text in texts)


def _texts(table: Table, key: str, line: int | None) -> tuple[str, ...]:
    """The list of texts at a top-level key; empty if absent."""
    value = table.values.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        problem = f"{key!r}: expected a list of texts, found {quoted(value)}"
        raise TemplateFileError(table.file, line, key, problem)
    return tuple(value)


def _target(text: str, table: Table, line: int | None, place: str) -> Target:
    return Target(text, _checked(text, table, line, place))


def _checked(text: str, table: Table, line: int | None, place: str) -> frozenset[str]:
    """The fields of a valid text.

    Rendered once with every field set if some faults would show only then. Any other text is compiled when it is first
    rendered: compiling all 140 packaged ones takes 0.2 s.
    """
    if text != text.strip() or not text:
        problem = f"expected a text without blanks at its ends, found {quoted(text)}"
        raise TemplateFileError(table.file, line, place, problem)
    try:
        fields = names_used(text)
        _require_known(sorted(fields), table, line, place)
        if not always_renders(text):
            render_text(text, dict.fromkeys(KNOWN_FIELDS, "x"))
    except TemplateTextError as error:
        shift = None if line is None else line + error.line - 1
        raise TemplateFileError(table.file, shift, place, str(error)) from error
    return fields


def _require_known(fields: Iterable[str], table: Table, line: int | None, place: str) -> None:
    for name in fields:
        if name not in KNOWN_FIELDS:
            nearest = did_you_mean(name, KNOWN_FIELDS)
            raise TemplateFileError(table.file, line, place, f"unknown field {name!r}", nearest)


def _repeats(templates: list[Template], file: str, source: str) -> Iterator[TemplateFileError]:
    """A fault for every name under both kinds, and for every duplicate training text."""
    names: dict[str, Template] = {}
    texts: dict[str, Template] = {}
    for template in templates:
        line = line_of(source, template.name, template.kind)
        place = f"template {template.name!r}"
        if template.name in names:
            problem = f"the name {template.name!r} is under both [train] and [zero_shot]"
            yield TemplateFileError(file, line, place, problem, "rename one")
        # Several datasets may share a prompt, but a duplicate training text would be drawn twice as often.
        if template.kind == "train" and (first := texts.get(template.text)):
            problem = f"templates {first.name!r} and {template.name!r} have the same text"
            yield TemplateFileError(file, line, place, problem, "delete one")
        names[template.name] = texts[template.text] = template
