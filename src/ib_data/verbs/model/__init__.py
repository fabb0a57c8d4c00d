"""`ib-data model`: model folders in the format of transformers.

show    what a folder holds
merge   BLIP-2 of stage 2 and stage-1 text weights to a start folder
new     a language model and a vision encoder to a start folder
export  a tuned run to a folder that transformers loads

report  what merge and new print
"""

import click

from ib_data.verbs.model import export as model_export
from ib_data.verbs.model import merge as model_merge
from ib_data.verbs.model import new as model_new
from ib_data.verbs.model import show as model_show


@click.group(name="model")
def command() -> None:
    """Make and inspect model folders.

    A model is a folder in the format of transformers: config.json, safetensors, tokenizers.

    \b
    ib-data model show Salesforce/instructblip-flan-t5-xl
    ib-data model merge --blip2 blip2-flan-t5-xl --text blip2-itm-vit-g --out start
    ib-data model new --language vicuna-7b --vision blip2-flan-t5-xl --out start
    ib-data model export ~/ib_data/runs/my-run --out my-model
    """


command.add_command(model_show.show)
command.add_command(model_merge.merge)
command.add_command(model_new.new)
command.add_command(model_export.export)
