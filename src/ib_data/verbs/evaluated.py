"""The datasets that `ib-data evaluate` is to score, and the scores on the terminal."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import note, table
from ib_data.errors import IbDataError, WrongUsageError
from ib_data.home import Home

if TYPE_CHECKING:
    from ib_data.evaluation.protocols.protocol import Protocol


# Columns of the table with --shuffle-images only.
OF_SHUFFLED = ("other images", "image adds")


def protocols_of(home: Home, names: tuple[str, ...], split: str | None, changes: dict[str, Any]) -> "list[Protocol]":
    """The protocols of all built datasets that NAMES stand for. Notes list members of groups that are not built.

    Raises NotBuiltError for a dataset given by name, also if only its vocabulary is not built, and if nothing of the
    groups is built.
    """
    from ib_data.cards.named import GROUPS, named_cards
    from ib_data.evaluation.protocols.read import protocol_of
    from ib_data.evaluation.run.vocabulary import require_vocabulary
    from ib_data.stored.built_split import NotBuiltError, open_built
    from ib_data.verbs.built import nothing_built

    found: list[Protocol] = []
    missing: list[str] = []
    left_out: list[str] = []
    for card in named_cards(names):
        try:
            protocol = _changed(protocol_of(card, split=split), changes, is_named=card.name in names)
        except IbDataError as error:
            if card.name in names:
                raise
            left_out.append(str(error))
            continue
        try:
            open_built(home, card.stored_as, protocol.split)
            require_vocabulary(home, card, protocol)
            found.append(protocol)
        except NotBuiltError as error:
            if card.name in names:
                raise
            is_split = not home.split(card.stored_as, protocol.split).exists()
            (missing if is_split else left_out).append(f"{card.name}/{protocol.split}" if is_split else str(error))
    if missing:
        note(f"left out because not built: {', '.join(missing)}; `ib-data build NAME --split SPLIT` builds one")
    for problem in left_out:
        note(f"left out: {problem}")
    if not found:
        raise nothing_built(home, [name for name in names if name in GROUPS])
    return found


def _changed(protocol: "Protocol", changes: Mapping[str, Any], *, is_named: bool) -> "Protocol":
    """The protocol with the options of the command line; a member of a group takes only those of its own method.

    Raises IbDataError for a method or a profile that the dataset does not have, and WrongUsageError for options of
    ranking if a dataset given by name generates its answers.
    """
    from ib_data.cards import load_card
    from ib_data.evaluation.protocols.read import protocol_of

    card, chosen = load_card(protocol.dataset), dict(changes)
    method = chosen.get("method", protocol.method)
    for name in ("normalisation", "aggregation") if method == "generate" else ():
        if chosen.pop(name, None) is not None and is_named:
            remedy = "add --method rank" if "rank" in card.evaluation else "leave it out"
            why = f"--{name} is for ranked candidates, its answers are generated"
            raise WrongUsageError(f"{protocol.dataset}: {why}; {remedy}")
    return protocol_of(card, split=protocol.split, **chosen)


def show_report(report: dict[str, Any], names: Sequence[str], folder: Path, as_json: bool) -> None:
    """Print the warnings about datasets of a report, and their scores as a table or as JSON without single cases."""
    from ib_data.evaluation.report.report import warnings_of

    datasets = {name: report["datasets"][name] for name in names if name in report["datasets"]}
    for line in warnings_of(datasets):
        note(line)
    if as_json:
        shown = {
            name: {key: value for key, value in values.items() if key not in ("examples", "failures")}
            for name, values in datasets.items()
        }
        click.echo(
            json.dumps(
                {**report, "warnings": warnings_of(datasets), "datasets": shown, "folder": str(folder)}, indent=1
            )
        )
        return
    rows = [score_row(name, values) for name, values in datasets.items()]
    columns = [name for name in rows[0] if name not in OF_SHUFFLED or any(row[name] != "-" for row in rows)]
    click.echo(table(columns, [[row[name] for name in columns] for row in rows]))
    click.echo(f"report {folder / 'report.html'}")


def score_row(name: str, values: dict[str, Any]) -> dict[str, object]:
    """The cells of a dataset in a table of scores, by column; `values` are those of its report."""
    from ib_data.evaluation.report.numbers import shown

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
        "image adds": _added(metric, other) if other else "-",
        "cases": counts["cases"],
        "failed": counts["failed"],
    }


def _added(metric: str, other: dict[str, Any]) -> str:
    """What the own images add to the score, with the interval: +10.20 (1.00 to 20.10)."""
    from ib_data.evaluation.report.numbers import shown, signed

    ends = " to ".join(shown(metric, end, 2) for end in other["interval"] or ())
    added = signed(metric, other["from_image"], 2)
    return f"{added} ({ends})" if ends else added
