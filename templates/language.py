"""The part of Jinja that templates may use: names, conditions, comparisons and a few text filters.

Templates may come from an untrusted folder. Syntax outside the list of allowed nodes is an error when a template is
read, the lengths of texts and outputs are limited, and the rest runs in Jinja's immutable sandbox. Without loops,
arithmetic and calls no template can run long. Nothing is random (Jinja's `random` and `lipsum` are absent).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, wraps
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ib_data.errors import did_you_mean

FILTERS = ("capitalize", "lower", "replace", "title", "trim", "truncate", "upper")
MAX_TEXT = 2_000  # characters of a template; the longest packaged one has 206
# Levels of a syntax tree; the deepest packaged template has 5. Jinja folds constants again at every level: 150 nested
# filters took 1 s, 300 took 9 s, and both fit into MAX_TEXT.
MAX_DEPTH = 20
MAX_RENDERED = 100_000  # characters of an output, and of every text inside a filter
GRAMMAR = f"names, texts, if/elif/else, and/or/not and comparisons in conditions, and the filters {', '.join(FILTERS)}"
_ALLOWED = frozenset(
    {
        nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.CondExpr, nodes.And,
        nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Filter, nodes.Keyword,
    }
)  # fmt: skip
# What renders any texts its names have; a comparison or a filter with arguments may fail.
_PLAIN = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.If, nodes.And, nodes.Or, nodes.Not,
)  # fmt: skip
_NEVER_FAIL = ("capitalize", "lower", "title", "trim", "upper")
# These give True and False, or hide which name is needed: allowed in conditions only.
_CONDITIONS_ONLY: dict[type[nodes.Node], str] = {
    nodes.Compare: "a comparison", nodes.And: "`and`", nodes.Or: "`or`", nodes.Not: "`not`",
}  # fmt: skip
_TOO_DEEP = f"nested too deeply; at most {MAX_DEPTH} levels are allowed"
# Names for the syntax that people are most likely to try; other syntax is called by its node's name.
_WORDS: dict[type[nodes.Node], str] = {
    nodes.Assign: "set", nodes.AssignBlock: "set", nodes.Call: "a call", nodes.Concat: "the operator ~",
    nodes.For: "a loop", nodes.Getattr: "an attribute (a name after a dot)", nodes.Getitem: "an item (in brackets)",
    nodes.Macro: "a macro", nodes.Test: "an `is` test",
}  # fmt: skip


class TemplateTextError(ValueError):
    """A template text that cannot be used or rendered; `line` counts from 1 within the text."""

    def __init__(self, problem: str, line: int = 1) -> None:
        super().__init__(problem)
        self.line = line


@cache
def parsed(text: str) -> nodes.Template:
    """The syntax tree of `text`; read-only, since it is cached.

    Raises TemplateTextError for a text of more than MAX_TEXT characters, a syntax error, and anything outside GRAMMAR.
    """
    if len(text) > MAX_TEXT:
        raise TemplateTextError(f"a template of {len(text):,} characters; at most {MAX_TEXT:,} are allowed")
    try:
        tree = environment().parse(text)
        for node, depth, in_condition in _walk(tree):
            _require_allowed(node, depth, in_condition)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateTextError(f"{(error.message or '').rstrip('.')}; allowed are {GRAMMAR}", error.lineno) from error
    except RecursionError as error:
        raise TemplateTextError(_TOO_DEEP) from error
    return tree


@cache
def compiled(text: str) -> jinja2.Template:
    """The compiled template of `text`. Cached, since compiling takes a hundred times as long as rendering.

    Raises what `parsed` raises.
    """
    parsed(text)
    return environment().from_string(text)


def render_text(text: str, values: Mapping[str, str]) -> str:
    """The template `text` filled with `values`, which are data and never parsed as a template.

    Raises TemplateTextError for an invalid text (see `parsed`), a name missing in `values`, a failing filter, and an
    output of more than MAX_RENDERED characters.
    """
    return render_compiled(compiled(text), values)


def render_compiled(template: jinja2.Template, values: Mapping[str, str]) -> str:
    """`render_text` for a compiled template."""
    pieces, length = [], 0
    try:
        # Like `Template.generate`, without copying the values twice: 5 us instead of 8.5.
        for piece in template.root_render_func(template.new_context(dict(values), shared=True)):
            length += len(piece)
            if length > MAX_RENDERED:
                raise ValueError(f"the output is longer than {MAX_RENDERED:,} characters")
            pieces.append(piece)
    except Exception as error:  # a filter with a user's arguments may raise anything
        raise TemplateTextError(f"cannot be rendered: {error}", _line_in_template(template, error)) from error
    return "".join(pieces)


def always_renders(text: str) -> bool:
    """Whether the syntax of `text` alone shows that short texts for its names render: then no try is needed.

    That is so of names, `if`, `and`, `or`, `not` and the filters that cannot fail on a name. Raises what `parsed`
    raises.
    """
    return all(isinstance(node, _PLAIN) or _is_plain_filter(node) for node, _, _ in _walk(parsed(text)))


def _is_plain_filter(node: nodes.Node) -> bool:
    if not isinstance(node, nodes.Filter) or node.name not in _NEVER_FAIL:
        return False
    return (
        not node.args
        and not node.kwargs
        and (isinstance(node.node, nodes.Name) or (node.node is not None and _is_plain_filter(node.node)))
    )


def names_used(text: str) -> frozenset[str]:
    """The names that a template uses. Raises what `parsed` raises."""
    return frozenset(node.name for node in parsed(text).find_all(nodes.Name))


def names_tested(text: str) -> frozenset[str]:
    """The names that `text` tests with `{% if NAME %}`, which are therefore optional."""
    tree = parsed(text)
    tests = [*(node.test for node in tree.find_all(nodes.If)), *(node.test for node in tree.find_all(nodes.CondExpr))]
    found = [name for test in tests for name in (test, *test.find_all(nodes.Name)) if isinstance(name, nodes.Name)]
    return frozenset(name.name for name in found)


def names_shown(text: str) -> frozenset[str]:
    """The names whose values can appear in the output, so not those only in conditions."""
    return frozenset(node.name for node in shown(parsed(text)) if isinstance(node, nodes.Name))


def shown(node: nodes.Node) -> Iterator[nodes.Node]:
    """The nodes of a syntax tree in the order of the text, without conditions."""
    yield node
    for child in node.iter_child_nodes(exclude=("test",)):
        yield from shown(child)


@cache
def environment() -> ImmutableSandboxedEnvironment:
    """The environment shared by all templates; to change it, make an overlay."""
    # Plain text, not markup: escaping here would train the model on &quot;.
    found = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    found.filters = {name: _bounded(found.filters[name]) for name in FILTERS}
    found.filters["replace"] = _replace
    found.globals.clear()
    found.tests.clear()
    return found


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, int, bool]]:
    """(node, its depth, whether it is in a condition) in the order of the text, without recursion."""
    waiting = [(tree, 0, False)]
    while waiting:
        node, depth, in_condition = waiting.pop()
        yield node, depth, in_condition
        test = getattr(node, "test", None)
        children = [(child, depth + 1, in_condition or child is test) for child in node.iter_child_nodes()]
        waiting += reversed(children)


def _require_allowed(node: nodes.Node, depth: int, in_condition: bool) -> None:
    """Raise TemplateTextError for anything outside GRAMMAR."""
    kind = type(node)
    if depth > MAX_DEPTH:
        raise TemplateTextError(_TOO_DEEP, node.lineno)
    if kind not in _ALLOWED:
        arithmetic = isinstance(node, nodes.BinExpr | nodes.UnaryExpr)
        found = "arithmetic" if arithmetic else _WORDS.get(kind, kind.__name__.lower())
        raise TemplateTextError(f"a template may not use {found}; allowed are {GRAMMAR}", node.lineno)
    if kind in _CONDITIONS_ONLY and not in_condition:
        problem = f"a template may not show {_CONDITIONS_ONLY[kind]}, which belongs in a condition"
        raise TemplateTextError(f"{problem}; allowed are {GRAMMAR}", node.lineno)
    if isinstance(node, nodes.Const) and not isinstance(node.value, str | int):
        raise TemplateTextError(f"a template may not use the value {node.value!r}; allowed are {GRAMMAR}", node.lineno)
    if isinstance(node, nodes.Filter):
        if node.name not in FILTERS:  # Jinja itself reports one inside an `if` only at rendering
            raise TemplateTextError(f"no filter {node.name!r}; {did_you_mean(node.name, FILTERS)}", node.lineno)
        if node.dyn_args or node.dyn_kwargs:
            raise TemplateTextError(f"a filter may not be given * or **; allowed are {GRAMMAR}", node.lineno)


def _bounded(function: Callable[..., str]) -> Callable[..., str]:
    """A text filter of Jinja that raises for more than MAX_RENDERED characters; none makes many more from less."""

    @wraps(function)
    def bounded(*args: Any, **options: Any) -> str:
        for value in (*args, *options.values()):
            if isinstance(value, str):
                _check_length(len(value))
        return function(*args, **options)

    return bounded


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    """Jinja's `replace`, which checks the length of its result before making it."""
    text, old, new = str(text), str(old), str(new)
    num = text.count(old) if count < 0 else min(text.count(old), count)
    _check_length(len(text) + num * (len(new) - len(old)))
    return text.replace(old, new, count)


def _check_length(length: int) -> None:
    if length > MAX_RENDERED:
        raise ValueError(f"a filter's text is longer than {MAX_RENDERED:,} characters")


def _line_in_template(template: jinja2.Template, error: Exception) -> int:
    """The template line an error came from, from the traceback of the compiled code."""
    line, trace = 1, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line
