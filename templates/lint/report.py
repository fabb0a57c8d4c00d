"""The report of linted template files: faults that make a file unusable, and faults that show only when rendered.

Renders every template over annotations of every dataset of its task (see `examples`). A finding has a file, a line, a
rule, a template and a remedy.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations

from ib_data.annotation_fields import fields_of
from ib_data.console import printable, progress
from ib_data.errors import DataError
from ib_data.home import Home
from ib_data.tasks import TASKS
from ib_data.templates.language import names_shown, names_used
from ib_data.templates.library import Library
from ib_data.templates.lint import rules, sentences
from ib_data.templates.lint.branches import untaken
from ib_data.templates.lint.examples import Examples, examples
from ib_data.templates.lint.rules import NEAR, NEAR_IN_ANY_ORDER, Run, runs_of, tokens
from ib_data.templates.render_errors import RenderError
from ib_data.templates.template import Template
from ib_data.templates.template_file import TemplateFile, TemplateFileError

RULES = {
    "unusable": "an error when the file is read",
    "render": "cannot be rendered",
    "unreached": "no annotation fits it, or takes one of its branches",
    "unused-field": "a field that annotations have and no training template shows",
    "blank": "a doubled blank, a blank before a punctuation mark, a blank line, a tab",
    "doubled": "a punctuation mark beside the one that a value ends in",
    "completion": "a sentence left open that the target does not continue",
    "leftover": "a brace, a backslash or another mark of a field in what is rendered",
    "ask": "what the annotation asks is not shown",
    "leak": "the target can be read off the instruction",
    "options": "options are listed without the target",
    "repeat": "says nearly the same as another template",
    "long": f"says more than {rules.MAX_LITERAL} characters itself",
    "count": "no training template; of a packaged task, fewer than 10 or more than 15",
}
# A task of the paper has 10 to 15 templates (appendix D); llava keeps its own questions.
_COUNTS = range(10, 16)
_OWN_QUESTIONS = ("llava",)


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault of a template or of a file (then `template` names the key). `rule` is one of RULES."""

    file: str
    line: int
    rule: str
    template: str
    message: str

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"a finding of no rule: {self.rule!r}")

    def __str__(self) -> str:
        return printable(f"{self.file}:{self.line}: {self.rule}: {self.template}: {self.message}")


@dataclass(frozen=True, slots=True)
class Report:
    """What was linted, and the findings in order of tasks and lines."""

    num_templates: int
    num_tasks: int
    num_samples: int
    num_datasets: int
    findings: tuple[Finding, ...] = ()

    @property
    def summary(self) -> str:
        """The counts, in one line."""
        templates = f"{_counted(self.num_templates, 'template')} of {_counted(self.num_tasks, 'task')}"
        samples = f"{_counted(self.num_samples, 'sample')} of {_counted(self.num_datasets, 'dataset')}"
        return f"{templates}, {samples}: {_counted(len(self.findings), 'finding')}"


def lint(tasks: Sequence[str], home: Home, library: Library) -> Report:
    """The report on the templates of `tasks` (all if none is named).

    Raises IbDataError for an unknown task. A damaged split of `home` is named in a note, and the rest is linted.
    """
    names = list(dict.fromkeys(tasks)) or list(TASKS)
    files = [library.file(task) for task in names]
    given = examples(names, home)
    found = [finding for file in progress(files, "linting", "task") for finding in sorted_findings(file, given)]
    return Report(
        num_templates=sum(len(file.templates) for file in files),
        num_tasks=len(files),
        num_samples=sum(example.num_samples for example in given),
        num_datasets=len(given),
        findings=tuple(found),
    )


def sorted_findings(file: TemplateFile, given: Iterable[Examples]) -> list[Finding]:
    """The findings of one file, in order of its lines."""
    return sorted(_findings(file, [e for e in given if e.card.task == file.task]), key=lambda finding: finding.line)


def _findings(file: TemplateFile, given: Sequence[Examples]) -> Iterator[Finding]:
    for fault in file.faults:
        yield _unusable(file, fault)
    train = [template for template in file.templates if template.kind == "train"]
    if file.packaged and not file.faults and len(train) not in _COUNTS and file.task not in _OWN_QUESTIONS:
        least, most = _COUNTS[0], _COUNTS[-1]
        message = f"{len(train)} training templates; a task has {least} to {most}"
        yield Finding(file.file, 1, "count", "train", message)
    elif not train and not file.faults:
        message = "no training template, so that no run can use the task; add one under [train]"
        yield Finding(file.file, 1, "count", "train", message)
    if train and not file.faults:
        yield from _unused_fields(file, train, given)
    yield from _repeats(file, train)
    runs: dict[Template, list[Run]] = {}
    for template in file.templates:
        try:
            runs[template] = runs_of(template, given)
        except RenderError as error:
            yield _at(file, template, "render", f"{error}; let the text hold for every annotation of the task")
    for template, own in runs.items():
        yield from (_at(file, template, rule, message) for rule, message in _of_template(template, own))
        yield from _untaken(file, template, own)
    yield from _untaken_in_targets(file, runs)


def _unusable(file: TemplateFile, fault: DataError) -> Finding:
    if isinstance(fault, TemplateFileError):
        return Finding(file.file, fault.line, "unusable", fault.name, fault.problem)
    return Finding(file.file, 1, "unusable", "file", str(fault).removeprefix(f"templates: {file.file}: "))


def _of_template(template: Template, runs: Sequence[Run]) -> Iterator[tuple[str, str]]:
    """(rule, message) of each fault that concerns a single template."""
    found = {
        "long": rules.long_text(template),
        "blank": rules.blanks(template, runs),
        "doubled": sentences.doubled_marks(template, runs),
        "completion": sentences.completions(template, runs),
        "leftover": rules.leftovers(runs),
        "ask": rules.asks(template, runs),
        "leak": rules.leaks(template, runs),
        "options": rules.options(runs),
    }
    for rule, messages in found.items():
        yield from ((rule, message) for message in messages)
    if not runs:
        needs = ", ".join(sorted(template.needs)) or "nothing"
        yield "unreached", f"no annotation fits it (it needs {needs}, and a target); delete it"


def _untaken(file: TemplateFile, template: Template, runs: Sequence[Run]) -> Iterator[Finding]:
    if runs:
        empty = dict.fromkeys(template.optional, "")
        for line, branch in untaken(template.text, ({**empty, **run.values} for run in runs)):
            message = f"no annotation takes a branch, {branch}; delete it"
            yield _at(file, template, "unreached", message, line - 1)


def _untaken_in_targets(file: TemplateFile, runs: dict[Template, list[Run]]) -> Iterator[Finding]:
    """Untaken branches of targets; a shared target is checked over the renders of all of its templates."""
    values: dict[str, list[dict[str, str]]] = {}
    owners: dict[str, Template] = {}
    for template, own in runs.items():
        for run in own:
            target = template.target_for(run.values.keys())
            assert target is not None, "a template runs where a target fits"
            values.setdefault(target.text, []).append(run.values)
            owners.setdefault(target.text, template)
    for text, given in values.items():
        template = owners[text]
        line, name = file.line_of_target(template.name), f"target of {template.name}"
        for shift, branch in untaken(text, given):
            message = f"no annotation takes a branch, {branch}; delete it"
            yield Finding(file.file, line + shift - 1, "unreached", name, message)


def _unused_fields(file: TemplateFile, train: Sequence[Template], given: Iterable[Examples]) -> Iterator[Finding]:
    carried: dict[str, str] = {}
    for example in given:
        for annotation in example.annotations:
            for name in sorted(fields_of(annotation)):
                carried.setdefault("answer" if name == "right_option" else name, example.card.name)
    targets = {target.text for template in train for target in template.targets}
    used = frozenset().union(*(names_shown(template.text) for template in train), *map(names_used, targets))
    line = file.line_of("unused")
    for name, dataset in carried.items():
        if name not in used and name not in file.unused:
            message = f"{dataset} has {name}, and no training template shows it; show it, or list it under `unused`"
            yield Finding(file.file, line, "unused-field", "train", message)
    for name in file.unused:
        if name in used or name not in carried:
            why = "is shown" if name in used else "is in no annotation of the task"
            yield Finding(file.file, line, "unused-field", "unused", f"{name} {why}; take it off the list")


def _repeats(file: TemplateFile, train: Sequence[Template]) -> Iterator[Finding]:
    words = {template: tokens(template.text) for template in train}
    for one, two in combinations(train, 2):
        if (shared := overlap(words[one], words[two])) < NEAR:
            continue
        ratio = likeness(words[one], words[two])
        if ratio >= NEAR or shared >= NEAR_IN_ANY_ORDER:
            place = f"{one.name} (line {file.line_of(one.name, 'train')})"
            said = f"{ratio:.0%} the same as {place}" if ratio >= NEAR else f"the words of {place} in another order"
            yield _at(file, two, "repeat", f"says {said}; reword one")


def likeness(one: Sequence[str], two: Sequence[str]) -> float:
    """The share of two lists of `tokens` that is the same in the same order, from 0 to 1."""
    return SequenceMatcher(None, one, two, autojunk=False).ratio()


def overlap(one: Sequence[str], two: Sequence[str]) -> float:
    """The share of two lists of `tokens` that is the same in any order, from 0 to 1; at least `likeness`."""
    return 2 * (Counter(one) & Counter(two)).total() / max(1, len(one) + len(two))


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def _at(file: TemplateFile, template: Template, rule: str, message: str, shift: int = 0) -> Finding:
    line = file.line_of(template.name, template.kind) + shift
    return Finding(file.file, line, rule, template.name, message)
