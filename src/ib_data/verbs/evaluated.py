"""The datasets that `ib-data evaluate` is to score, and the scores on the terminal."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import note, table
from ib_data.home import Home

if TYPE_CHECKING:
    from ib_data.evaluation.protocols.protocol import Protocol


def protocols_of(home: Home, names: tuple[str, ...], split: str | None, changes: dict[str, Any]) -> "list[Protocol]":
    """The protocols of all built datasets that NAMES stand for. A note lists members of groups that are not built.

    Raises NotBuiltError for a dataset given by name, or if nothing of the groups is built.
    """
    from ib_data.cards.named import GROUPS, named_cards
    from ib_data.evaluation.protocols.read import methods_of, protocol_of
    from ib_data.stored.built_split import NotBuiltError, open_built
    from ib_data.verbs.built import nothing_built

    found, missing = [], []
    for card in named_cards(names):
        if card.name not in names and (not methods_of(card) or (split and split not in card.splits)):
            missing.append(card.name)
            continue
        protocol = protocol_of(card, split=split, **changes)
        try:
            open_built(home, card.stored_as, protocol.split)
            found.append(protocol)
        except NotBuiltError:
            if card.name in names:
                raise
            missing.append(card.name)
    if missing:
        note(f"left out because not built: {', '.join(missing)}")
    if not found:
        raise nothing_built(home, [name for name in names if name in GROUPS])
    return found


def show_report(report: dict[str, Any], folder: Path, as_json: bool) -> None:
    """Print the warnings of a report, and its scores as a table or as JSON without examples and failures."""
    for line in report["warnings"]:
        note(line)
    if as_json:
        datasets = {
            name: {key: value for key, value in values.items() if key not in ("examples", "failures")}
            for name, values in report["datasets"].items()
        }
        click.echo(json.dumps({**report, "datasets": datasets, "folder": str(folder)}, indent=1))
        return
    rows = [score_row(name, values) for name, values in report["datasets"].items()]
    columns = [name for name in rows[0] if name != "other images" or any(row[name] != "-" for row in rows)]
    click.echo(table(columns, [[row[name] for name in columns] for row in rows]))
    click.echo(f"report {folder / 'report.html'}")


def score_row(name: str, values: dict[str, Any]) -> dict[str, object]:
    """The cells of a dataset in a table of scores, by column; `values` are those of its report."""
    from ib_data.evaluation.report.page import shown

    metric, counts, other = values["metric"], values["counts"], values["shuffled"]
    ends = [shown(metric, end, 2) for end in values["interval"] or ()]
    return {
        "dataset": name,
        "split": values["split"],
        "method": values["method"],
        "metric": f"{metric} ({values['profile']})" if values["profile"] else metric,
        "score": "hidden" if values["score"] is None else shown(metric, values["score"], 2),
        "95 % interval": " to ".join(ends) or "-",
        "other images": shown(metric, other["score"], 2) if other else "-",
        "cases": counts["cases"],
        "failed": counts["failed"],
    }
