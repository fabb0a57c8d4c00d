"""`ib-data score`: anybody's predictions by the official metrics, against what is built or against plain files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import note
from ib_data.evaluation.choices import METHODS
from ib_data.home import Home
from ib_data.verbs.arguments import common_options, json_option, split_option

if TYPE_CHECKING:
    from ib_data.evaluation.results.plain import PlainScore
    from ib_data.evaluation.scoring.evaluated import Evaluated

_FILE = click.Path(path_type=Path)
_OF_DATASETS = ("split", "method", "number", "out")
_OF_FILES = ("tokenised", "only_predicted")


@click.command("score")
@click.argument("name_and_file", nargs=-1, required=True, metavar="[NAME] PREDICTIONS")
@click.option("--references", type=_FILE, help="A file of references, in place of a built dataset.")
@click.option("--metric", help="Another metric than the dataset's; needed with --references.")
@click.option("--profile", help="Variant of the metric, such as vqa-lavis. [default: as the card says]")
@split_option
@click.option("--method", type=click.Choice(METHODS), help="Which protocol of the card. [default: as the paper does]")
@click.option("-n", "number", type=click.IntRange(min=1), help="Only the cases of `evaluate -n`.")
@click.option("--allow-missing", is_flag=True, help="Count missing predictions as wrong.")
@click.option("--allow-extra", is_flag=True, help="Ignore predictions for unknown ids.")
@click.option("--only-predicted", is_flag=True, help="With --references: score only ids that have a prediction.")
@click.option("--tokenised", is_flag=True, help="With --references: captions are tokenised already.")
@click.option("--out", type=_FILE, help="Folder for the full report, or for the file that a server wants.")
@json_option
@common_options
def command(name_and_file: tuple[str, ...], home: Home, as_json: bool, references: Path | None, **options: Any) -> None:
    """Score predictions by the official metrics, without a model.

    With NAME, a dataset: against its built split, by the metric of its card. PREDICTIONS is a file in the dataset's
    official results format, JSON lines with `id` and `answer`, a JSON object of id and answer, or predictions.jsonl of
    `ib-data evaluate`. A split without public answers is not scored: --out writes the file that its server wants.

    With --references, without any build: COCO captions and results, VQA annotations and results, or a JSON object of id
    and list of references beside one of id and text. METRIC is cider, bleu, rouge-l, meteor, spice, vqa, aokvqa, ivqa,
    accuracy or exact-match. Scores are printed times 100, and unrounded fractions with --json.

    \b
    ib-data score vqav2 vqa_results.json
    ib-data score gqa answers.jsonl --profile vqa --out report
    ib-data score --metric cider --references captions_val2014.json results.json --json
    ib-data score --metric vqa --references annotations.json results.json
    """
    _require_usage(name_and_file, references, options)
    if references is not None:
        _show_plain(_plain(Path(name_and_file[0]), references, options), as_json)
        return
    from ib_data.cards import find_card

    card = find_card(name_and_file[0])
    from ib_data.evaluation.results.split import ScoreOptions, hidden_error, score_split

    names = ("split", "method", "metric", "profile", "allow_missing", "allow_extra")
    chosen = ScoreOptions(**{name: options[name] for name in names}, number=options["number"] or 0)
    found = score_split(home, card, Path(name_and_file[1]), chosen)
    if found.is_hidden and options["out"] is None:
        raise hidden_error(card, found.protocol.split)
    _show(found, home, options["out"], as_json)


def _require_usage(given: tuple[str, ...], references: Path | None, options: dict[str, Any]) -> None:
    """Raise UsageError for arguments and options that do not fit together."""
    wanted = 1 if references is not None else 2
    if len(given) != wanted:
        form = "PREDICTIONS alone, since --references is in place of NAME" if wanted == 1 else "NAME and PREDICTIONS"
        raise click.UsageError(f"expected {form}, found {' '.join(given)}")
    for name in _OF_DATASETS if references is not None else _OF_FILES:
        if options[name]:
            option = {"number": "-n"}.get(name, f"--{name.replace('_', '-')}")
            raise click.UsageError(
                f"{option} does not go {'with' if references is not None else 'without'} --references"
            )
    if references is not None and options["metric"] is None:
        raise click.UsageError("--references needs --metric, such as cider or vqa")
    if options["only_predicted"] and options["allow_missing"]:
        raise click.UsageError("--only-predicted and --allow-missing exclude each other")


def _plain(predictions: Path, references: Path, options: dict[str, Any]) -> "PlainScore":
    from ib_data.evaluation.results.plain import score_files, short_metric

    names = ("profile", "tokenised", "allow_missing", "allow_extra", "only_predicted")
    chosen = {name: options[name] for name in names}
    return score_files(short_metric(options["metric"]), references, predictions, **chosen)


def _show_plain(found: "PlainScore", as_json: bool) -> None:
    from ib_data.evaluation.report.numbers import score_lines

    for line in found.notes:
        note(line)
    values = found.to_plain()
    if as_json:
        click.echo(json.dumps(values, indent=1))
        return
    click.echo("\n".join(score_lines(**values)))


def _show(found: "Evaluated", home: Home, out: Path | None, as_json: bool) -> None:
    from ib_data.verbs.scored import lines_of, values_of, written

    for line in found.warnings:
        note(line)
    places = written(found, home, out) if out else []
    if as_json:
        click.echo(json.dumps({**values_of(found), "files": [str(path) for path in places]}, indent=1))
        return
    for line in [*lines_of(found), *map(str, places)]:
        click.echo(line)
