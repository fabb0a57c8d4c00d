"""`ib-data model merge`: BLIP-2 and stage-1 text weights to a start folder."""

from pathlib import Path

import click

from ib_data.home import Home
from ib_data.training.extras import need_extras
from ib_data.verbs.arguments import common_options, json_option
from ib_data.verbs.model.report import print_report, start_options


@click.command("merge")
@click.option("--blip2", metavar="DIR", required=True, help="BLIP-2 of stage 2: folder or hub id.")
@click.option("--text", metavar="DIR", required=True, help="Text weights: BLIP-2 of stage 1, InstructBLIP or BERT.")
@start_options
@json_option
@common_options
def merge(blip2: str, text: str, tokenizer: str | None, seed: int, out: Path, home: Home, as_json: bool) -> None:
    """Combine BLIP-2 and stage-1 text weights into a start folder.

    BLIP-2 of stage 2 has no word embeddings and no text feed-forwards; InstructBLIP took them from stage 1. Prints
    where every tensor comes from: taken, renamed, resized or new. Also completes an older InstructBLIP folder, which
    has no <image> token.

    \b
    ib-data model merge --blip2 Salesforce/blip2-flan-t5-xl --text Salesforce/blip2-itm-vit-g --out start
    ib-data model merge --blip2 old-instructblip --text old-instructblip --out start -v
    """
    need_extras("model merge")
    from ib_data.training.weights import merge as weights
    from ib_data.training.weights.hub import find_folder
    from ib_data.training.weights.start import require_free

    require_free(out)  # before a download
    words = find_folder(tokenizer, home) if tokenizer else None
    report = weights.merge(find_folder(blip2, home), find_folder(text, home), out, tokenizer=words, seed=seed)
    print_report(report, out, as_json)
