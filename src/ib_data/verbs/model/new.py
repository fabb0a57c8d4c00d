"""`ib-data model new`: a language model and a vision encoder to a start folder."""

from pathlib import Path

import click

from ib_data.home import Home
from ib_data.training.extras import need_extras
from ib_data.verbs.arguments import common_options, json_option
from ib_data.verbs.model.report import print_report, start_options


@click.command("new")
@click.option("--language", metavar="DIR", required=True, help="Causal or encoder-decoder model: folder or hub id.")
@click.option("--vision", metavar="DIR", required=True, help="BLIP-2 or InstructBLIP, for its vision encoder.")
@click.option("--qformer", metavar="DIR", help="BERT, stage 1 of BLIP-2 or InstructBLIP. [default: random values]")
@click.option("--num-query-tokens", type=click.IntRange(1), help="Query tokens per image. [default: 32]")
@start_options
@json_option
@common_options
def new(
    language: str,
    vision: str,
    qformer: str | None,
    num_query_tokens: int | None,
    tokenizer: str | None,
    seed: int,
    out: Path,
    home: Home,
    as_json: bool,
) -> None:
    """Build a start folder from a language model and a vision encoder.

    The Q-Former between them is new, or from --qformer, and the projection is new: train it on captions first
    (configuration blip2-captions). Prints where every tensor comes from.

    \b
    ib-data model new --language vicuna-7b-v1.1 --vision Salesforce/blip2-flan-t5-xl \\
        --qformer Salesforce/blip2-itm-vit-g --out start
    ib-data model new --language my-llama --vision start --qformer google-bert/bert-base-uncased --out mine
    """
    need_extras("model new")
    from ib_data.training.weights import new as weights
    from ib_data.training.weights.hub import find_folder
    from ib_data.training.weights.start import require_free

    require_free(out)  # before a download
    found = {name: find_folder(name, home) for name in (language, vision, qformer, tokenizer) if name}
    report = weights.new(
        found[language],
        found[vision],
        out,
        qformer=found[qformer] if qformer else None,
        tokenizer=found[tokenizer] if tokenizer else None,
        num_query_tokens=num_query_tokens,
        seed=seed,
    )
    print_report(report, out, as_json)
