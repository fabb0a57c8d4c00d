"""`ib_data.evaluate`: scores any model on built datasets."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ib_data.cards.named import named_cards
from ib_data.errors import IbDataError
from ib_data.evaluation.answering import Model
from ib_data.evaluation.protocols.read import protocol_of
from ib_data.evaluation.run.run import Run
from ib_data.evaluation.run.several import evaluate_all
from ib_data.given import folder, integer, require_kind, require_text
from ib_data.home import Home, HomeLike
from ib_data.stored.store import LocalStore
from ib_data.templates.renderer import Renderer


def evaluate(
    home: HomeLike | None,
    names: Sequence[str],
    model: Model,
    out: str | os.PathLike[str],
    *,
    split: str | None = None,
    method: str | None = None,
    number: int = 0,
    batch_size: int = 16,
    shuffle_seed: int | None = None,
) -> dict[str, Any]:
    """The JSON of the report of a model on built datasets, as the verb `evaluate` makes it; its files are in `out`.

    `number` of the cases, always the same ones; 0: all. `shuffle_seed` asks about other examples' images too. Another
    call continues what was stopped. Raises IbDataError for a dataset that cannot be evaluated, after the others are.
    """
    require_kind("names", names, (list, tuple), "a list of datasets (the home is the first argument)")
    require_text("split", split)
    require_text("method", method)
    protocols = [protocol_of(card, split=split, method=method) for card in named_cards(names)]
    run = Run(
        model=model,
        store=LocalStore(Home.find(home)),
        folder=Path(folder("out", out)),
        renderer=Renderer(),
        number=integer("number", number, 0),
        batch_size=integer("batch_size", batch_size, 1),
    )
    outcome = evaluate_all(run, protocols, shuffle_seed)
    if outcome.faults:
        raise IbDataError(next(iter(outcome.faults.values())))
    assert outcome.report is not None  # with one process
    return outcome.report
