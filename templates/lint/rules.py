"""Checks of one template by `ib-data templates lint`. A rule yields messages; `report` adds file and line."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from jinja2 import nodes

from ib_data.cards import Card
from ib_data.errors import quoted
from ib_data.sample import Annotation
from ib_data.templates.language import names_shown, names_used, parsed, shown
from ib_data.templates.lint.examples import Examples
from ib_data.templates.rendered import Rendered
from ib_data.templates.renderer import Renderer
from ib_data.templates.template import Template
from ib_data.templates.template_file import EMPTY_SLOTS, KNOWN_FIELDS
from ib_data.templates.values import values_of

MAX_LITERAL = 200  # literal characters of a template; the longest packaged one has 117
# How much two templates may share (`report.likeness`). The closest two packaged ones share 0.59; changing one word of
# six gives 0.83, and reversing "Answer briefly: {{ question }}" gives 0.67.
NEAR = 0.65
# The same words in any order (`report.overlap`): the closest two packaged ones share 0.72, mostly label names.
NEAR_IN_ANY_ORDER = 0.8
_BLANKS = (
    (re.compile(r"[^\S\n ]"), "a tab or another blank that is no space"),
    (re.compile(r"  "), "two blanks in a row"),
    (re.compile(r" [.,?!:;]"), "a blank before a punctuation mark"),
    (re.compile(r"\n[ \t]*\n"), "a blank line"),
    (re.compile(r"[ \t]\n|\n[ \t]"), "a blank at the end of a line"),
)
_BRACKETED = "|".join(KNOWN_FIELDS)
_LEFTOVER = re.compile(rf"[{{}}\\]|%[sd(]|\$[A-Za-z_]\w*|\[(?:{_BRACKETED})\]|<(?:{_BRACKETED})>", re.IGNORECASE)
_FIELD = "a field is written {{ name }}"
_BACKSLASH = 'a line break is written \\n in double quotes: "...", for TOML leaves it alone in single ones'
# What an annotation asks: its first of these fields that is not the target. A caption answers no question.
_ASKED = ("question", "statement", "answer", "context")
_ASKS_NOTHING = ("captioning", "captioning_scene_text")
# Texts from which the answer may be chosen or read. `context`, a hint, holds it in 74 of 858 problems of ScienceQA, and
# in all of the miniature's.
_MAY_HOLD_TARGET = ("options_text", "ocr_text", "history_text", "context")


@dataclass(frozen=True, slots=True)
class Run:
    """An annotation that a template fits, the values that fill it, and the rendered texts.

    `in_words` is rendered from values of only words and single blanks, so any other character comes from the template.
    In `in_stops` each value also ends in a full stop.
    """

    card: Card
    annotation: Annotation
    values: dict[str, str]
    lists_options: bool
    rendered: Rendered
    in_words: Rendered
    in_stops: Rendered

    @property
    def target(self) -> str:
        """The target."""
        assert self.rendered.target is not None, "a template runs where a target fits"
        return self.rendered.target


def runs_of(template: Template, examples: Iterable[Examples]) -> list[Run]:
    """The template rendered for all annotations that it fits. Raises RenderError for the first that fails."""
    renderer, runs = Renderer(), []
    for example in examples:
        card = example.card
        if template.kind == "zero_shot" and template.name != card.name:
            continue
        for position, forms in enumerate(example.forms):
            annotation = forms[0]
            values = values_of(card, annotation, seed=0, position=position, options=renderer.options)
            if template.fits(values.has):
                outputs = (renderer.render(card, given, position, template=template) for given in forms)
                texts = values.of(template, template.usable(values.has))
                runs.append(Run(card, annotation, texts, template.lists_options(values.has), *outputs))
    return runs


def long_text(template: Template) -> Iterator[str]:
    """A message if the template has more than MAX_LITERAL literal characters."""
    if (length := len(literal(template.text))) > MAX_LITERAL:
        yield f"says {length} characters itself, more than {MAX_LITERAL}; shorten it"


def blanks(template: Template, runs: Iterable[Run]) -> Iterator[str]:
    """A message for the first misplaced blank or line break of the template.

    A zero-shot prompt with an empty slot is exempt: the protocol keeps the slot's label (see EMPTY_SLOTS).
    """
    for run in runs:
        if template.kind == "zero_shot" and any(slot in template.fields - run.values.keys() for slot in EMPTY_SLOTS):
            continue
        for text, _ in run.in_words.segments:
            for pattern, what in _BLANKS:
                if found := pattern.search(text):
                    yield f"{what} in {around(text, found)} ({place_of(run)}); fix the blanks around its fields"
                    return


def leftovers(runs: Iterable[Run]) -> Iterator[str]:
    """A message for the first brace, backslash, percent form or field in other brackets left in an output."""
    for run in runs:
        for text, _ in run.in_words.segments:
            if found := _LEFTOVER.search(text):
                what = f"{found[0]!r} is left in {around(text, found)}"
                remedy = _BACKSLASH if found[0] == "\\" else _FIELD
                yield f"{what} ({place_of(run)}); {remedy}"
                return


def asks(template: Template, runs: Iterable[Run]) -> Iterator[str]:
    """A message if a training template does not show what the annotation asks."""
    if template.kind != "train" or template.task in _ASKS_NOTHING:
        return
    shows = names_shown(template.text)
    for run in runs:
        target = template.target_for(run.values.keys())
        learnt = target.needs if target else frozenset[str]()
        asked = next((name for name in _ASKED if name in run.values and name not in learnt), None)
        if asked and asked not in shows:
            yield f"does not show the {asked} ({place_of(run)}); put {{{{ {asked} }}}} into it"
            return


def leaks(template: Template, runs: Sequence[Run]) -> Iterator[str]:
    """A message if the template names only some of the labels, and one if the values it shows hold the target."""
    labels = {run.target.lower() for run in runs if _is_label(template, run)}
    named = labels_named(literal(template.text), labels)
    if named and named != labels:
        missing = ", ".join(sorted(labels - named))
        yield f"names the label {', '.join(sorted(named))} and not {missing}; name all of them or none"
    fields = names_shown(template.text) - {*_MAY_HOLD_TARGET}
    held, total = Counter[str](), Counter[str]()
    for run in runs:
        total[run.card.name] += 1
        # Each value separately: two of them joined may say what neither does, and fields have no order.
        target = run.target
        held[run.card.name] += any(_holds(value, target) for name, value in run.values.items() if name in fields)
    for dataset, count in held.items():
        if count > total[dataset] / 2:
            yield f"its fields show the target in {count} of {total[dataset]} annotations of {dataset}; leave one out"


def options(runs: Iterable[Run]) -> Iterator[str]:
    """A message for the first list of options without the target."""
    for run in runs:
        if run.lists_options and run.target not in [option.strip() for option in run.annotation.options]:
            what = f"lists options without the target {quoted(run.target)}"
            yield f"{what} ({place_of(run)}); let the target be `answer`"
            return


def literal(text: str) -> str:
    """The literal text of a template over all of its branches, without its fields."""
    return " ".join(
        str(node.data if isinstance(node, nodes.TemplateData) else node.value)
        for node in shown(parsed(text))
        if isinstance(node, nodes.TemplateData | nodes.Const)
    )


def tokens(text: str) -> list[str]:
    """The words of a template in lower case, with fields as `{name}` and without conditions."""
    found: list[str] = []
    for node in shown(parsed(text)):
        if isinstance(node, nodes.Name):
            found.append(f"{{{node.name}}}")
        elif isinstance(node, nodes.TemplateData):
            found += re.findall(r"\w+", node.data.lower())
    return found


def labels_named(text: str, labels: Collection[str]) -> set[str]:
    """The `labels` that are in `text` as separate words: `hateful` is not in `not hateful`."""
    named = set()
    text = text.lower()
    for label in sorted(labels, key=lambda label: (-len(label), label)):
        pattern = _as_words(label)
        if pattern.search(text):
            named.add(label)
            text = pattern.sub(" ", text)
    return named


def _is_label(template: Template, run: Run) -> bool:
    target = template.target_for(run.values.keys())
    return target is not None and "label" in names_used(target.text)


def _holds(value: str, target: str) -> bool:
    return bool(_as_words(target.lower()).search(value.lower()))


def _as_words(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")


def around(text: str, found: re.Match[str]) -> str:
    """A match with the text around it."""
    return repr(text[max(0, found.start() - 20) : found.end() + 20])


def place_of(run: Run) -> str:
    """The dataset and annotation of a run, for a message."""
    return f"{run.card.name}, annotation {run.annotation.id}"
