"""docs/format.md names what a validation writes."""

import json
from pathlib import Path

from format_page import check_keys, example, table
from test_validation import of_validations
from toy_training import toy_config
from toy_validation import validated_run

TITLE = "Validations in `log.jsonl`"


def test_the_page_names_what_a_validation_writes(tmp_path: Path) -> None:
    outcome = validated_run(toy_config(steps=3, validate_every=3), tmp_path)
    (row,) = of_validations(tmp_path)
    for found in (row, example(TITLE)):
        assert set(found) == set(table(TITLE))
        check_keys(found, TITLE)
    state = json.loads((outcome.checkpoint / "state.json").read_text())
    assert "validation" in table("`state.json`")
    assert set(state["validation"]) == set(example("`state.json`")["validation"])
