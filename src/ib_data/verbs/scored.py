"""Scores of predictions in a file: values, lines of text, and files."""

import json
from pathlib import Path
from typing import Any

from ib_data.cards import load_card
from ib_data.console import table
from ib_data.evaluation.report.numbers import also_lines, ordered, shown
from ib_data.evaluation.report.report import dataset_report
from ib_data.evaluation.report.writing import write_report
from ib_data.evaluation.results.writing import submission_of, write_submission
from ib_data.evaluation.run.prediction_files import PREDICTIONS, plain
from ib_data.evaluation.scoring.evaluated import Evaluated
from ib_data.home import Home
from ib_data.replacing import replacing
from ib_data.stored.built_split import open_built
from ib_data.verbs.score_table import OF_SHUFFLED, score_row


def values_of(found: Evaluated) -> dict[str, Any]:
    """The report on the dataset without its examples, as values for JSON; the score is unrounded, null if hidden."""
    report = dataset_report(found)
    kept = {key: value for key, value in report.items() if key != "examples"}
    return {"dataset": found.protocol.dataset, **kept, "warnings": list(found.warnings)}


def lines_of(found: Evaluated) -> list[str]:
    """A small table of the score, and lines of its other numbers and breakdowns."""
    values, metric = values_of(found), found.protocol.metric
    cells = {**score_row(values["dataset"], values), "empty": values["counts"]["empty"]}
    row = {name: cell for name, cell in cells.items() if name not in OF_SHUFFLED}  # only a model can be asked
    lines = [table(list(row), [list(row.values())])]
    lines += also_lines(metric, values["also"])
    for name, groups in values["breakdown"].items():
        rows = [(value, shown(metric, group["score"], 2), group["count"]) for value, group in ordered(groups)]
        lines += ["", table((name, "score", "cases"), rows)]
    return lines


def written(found: Evaluated, home: Home, folder: Path) -> list[Path]:
    """Write the report and the predictions; for a split without public answers the file that its server wants."""
    protocol = found.protocol
    card = load_card(protocol.dataset)
    if found.is_hidden or submission_of(card, protocol.split):
        model = Path(found.model["name"]).name.partition(".")[0]
        arguments = (found.cases, found.predictions, model, protocol.labels)
        path = write_submission(folder, card, protocol.split, *arguments)
        if found.is_hidden:
            return [path]
    built = open_built(home, card.stored_as, protocol.split)
    write_report(folder, [found], lambda _dataset, _split, key: built.media(key))
    with replacing(folder / protocol.dataset / PREDICTIONS) as part:
        rows = (json.dumps(plain(one), ensure_ascii=True) for one in found.predictions)
        part.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return [folder / "report.json"]
