"""`ib-data model show`: what a model folder holds."""

import json

import click

from ib_data.console import table
from ib_data.home import Home
from ib_data.training.extras import need_extras
from ib_data.verbs.arguments import common_options, json_option


@click.command("show")
@click.argument("folder")
@json_option
@common_options
def show(folder: str, home: Home, as_json: bool) -> None:
    """Show what a model folder holds.

    FOLDER is an InstructBLIP folder, a hub id, or a start that ib-data ships: miniature, miniature-t5. Prints its parts
    with parameters, how many of them train, types, its tokenizers and a fingerprint, which reads all weights the first
    time.

    \b
    ib-data model show start
    ib-data model show miniature
    ib-data model show Salesforce/instructblip-vicuna-7b --json
    """
    need_extras("model show")
    from ib_data.training.estimate.folder_facts import model_facts
    from ib_data.training.weights.hub import find_folder

    facts = model_facts(find_folder(folder, home), home)
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return
    header = ["part", "class", "tensors", "parameters", "trained", "types", "bytes", "fingerprint"]
    rows = [[part[name] for name in header] for part in facts["parts"]]
    click.echo(table(header, [[*row[:-1], str(row[-1])[:12]] for row in rows]))
    for name in ("language_model", "num_query_tokens", "image_px"):
        click.echo(f"{name.replace('_', ' ')}: {facts[name]}")
    for name, values in facts["tokenizers"].items():
        click.echo(f"{name} tokenizer: {', '.join(f'{key} {value}' for key, value in values.items())}")
    for line in facts["notes"]:
        click.echo(f"note: {line}")
    click.echo(f"fingerprint: {facts['fingerprint']}")
