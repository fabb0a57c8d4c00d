"""The small part of Jinja that templates may use: names, conditions, loops and a few text filters.

Templates may come from a stranger's folder: attributes, calls and imports are refused when a template is read, and what
is left runs in Jinja's immutable sandbox. Nothing here depends on chance (Jinja's `random` and `lipsum` are absent).
"""

from functools import cache

import jinja2
from jinja2 import meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

FILTERS = ("capitalize", "lower", "replace", "title", "trim", "truncate", "upper")
_REFUSED = (nodes.Getattr, nodes.Getitem, nodes.Call, nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport)


class TemplateTextError(ValueError):
    """A template text that cannot be used; `line` counts from 1 inside the text."""

    def __init__(self, problem: str, line: int = 1) -> None:
        super().__init__(problem)
        self.line = line


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    # Plain text, not markup: escaping here would train the model on &quot;.
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.globals.clear()
    return environment


@cache
def compiled(text: str) -> jinja2.Template:
    """The compiled template of `text`. Compiling takes about 1 ms, rendering about 10 us: hence the cache.

    Raises TemplateTextError for a syntax error, an unknown filter, and every use of attributes, calls or imports.
    """
    try:
        for node in _environment().parse(text).find_all(_REFUSED):
            kind = type(node).__name__.lower()
            raise TemplateTextError(f"a template may not use {kind} expressions, only names and filters", node.lineno)
        return _environment().from_string(text)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateTextError(f"{error.message} (filters: {', '.join(FILTERS)})", error.lineno) from error


def names_used(text: str) -> frozenset[str]:
    """The names that a template expects to be given. Raises what `compiled` raises."""
    compiled(text)
    return frozenset(meta.find_undeclared_variables(_environment().parse(text)))


def names_tested(text: str) -> frozenset[str]:
    """The names that `text` asks for with `{% if NAME %}`, which it can therefore do without."""
    tree = _environment().parse(text)
    tests = [*(node.test for node in tree.find_all(nodes.If)), *(node.test for node in tree.find_all(nodes.CondExpr))]
    found = [name for test in tests for name in (test, *test.find_all(nodes.Name)) if isinstance(name, nodes.Name)]
    return frozenset(name.name for name in found)
