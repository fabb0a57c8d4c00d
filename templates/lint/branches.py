"""Finds which branches of a template were taken, by recording the outcome of every condition in its syntax tree."""

from collections.abc import Iterable, Iterator, Mapping

from jinja2 import nodes

from ib_data.templates.language import environment, render_compiled

Condition = nodes.If | nodes.CondExpr


def untaken(text: str, runs: Iterable[Mapping[str, str]]) -> list[tuple[int, str]]:
    """Line (from 1) and name of every branch in `text` that none of `runs` (values) takes.

    Raises TemplateTextError if a run cannot be rendered.
    """
    seen: set[tuple[int, bool]] = set()

    def noted(value: object, condition: int) -> object:
        seen.add((condition, bool(value)))
        return value

    overlay = environment().overlay()
    overlay.filters = {**overlay.filters, "noted": noted}
    tree = overlay.parse(text)
    conditions: list[Condition] = [*tree.find_all(nodes.If), *tree.find_all(nodes.CondExpr)]
    written = dict(_branches(conditions))
    for i, node in enumerate(conditions):
        node.test = nodes.Filter(node.test, "noted", [nodes.Const(i)], [], None, None, lineno=node.lineno)
    template = overlay.from_string(tree)
    for values in runs:
        render_compiled(template, values)
    return [place for branch, place in written.items() if branch not in seen]


def _branches(conditions: list[Condition]) -> Iterator[tuple[tuple[int, bool], tuple[int, str]]]:
    """(number of a condition, the outcome that enters a branch), (line, name) of that branch."""
    for i, node in enumerate(conditions):
        asked = " and ".join(dict.fromkeys(name.name for name in _names(node.test))) or "a constant"
        yield (i, True), (node.lineno, f"the one for {asked}")
        if isinstance(node, nodes.CondExpr):
            has_else, last = node.expr2 is not None, i
        else:  # an `else` is entered when the last `elif` fails
            has_else = bool(node.else_)
            last = next(j for j, other in enumerate(conditions) if other is node.elif_[-1]) if node.elif_ else i
        if has_else:
            yield (last, False), (node.lineno, f"the `else` of {asked}")


def _names(test: nodes.Node) -> Iterator[nodes.Name]:
    if isinstance(test, nodes.Name):
        yield test
    yield from test.find_all(nodes.Name)
