"""`ib-data evaluate`: a model on datasets, by their official metrics."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ib_data.cards.named import named_cards
from ib_data.console import QUIET, note, set_verbosity, typed
from ib_data.errors import IbDataError
from ib_data.evaluation.answering import NORMALISATIONS
from ib_data.evaluation.decoding import Decoding
from ib_data.evaluation.protocols.protocol import AGGREGATIONS, METHODS
from ib_data.home import Home
from ib_data.training.extras import need_extras
from ib_data.verbs.arguments import common_options, json_option, split_option, templates_option
from ib_data.verbs.asking import FOR_FOLDERS, settings_options
from ib_data.verbs.derived import values_of

if TYPE_CHECKING:
    from ib_data.training.answering import ModelAnswers
