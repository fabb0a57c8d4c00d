"""docs/format.md matches a freshly written run folder."""

import json
from pathlib import Path

from format_page import check_keys, example, table
from toy_training import ToyStream, silent, toy_config, train_on

from ib_data.strict import Table
from ib_data.training.config.config_file import config_of
from ib_data.training.loop import record
from ib_data.training.loop.checkpoint import _KEYS
from ib_data.training.loop.train_log import step_rows


def test_the_page_names_what_a_run_writes(tmp_path: Path) -> None:
    train_on(toy_config(steps=2, warmup_steps=1, save_every=2), ToyStream(), tmp_path, silent)
    folder = tmp_path / "step-000002"
    assert set(table("Files of a checkpoint")) == {path.name for path in folder.iterdir()}
    for name in ("checkpoint.json", "state.json"):
        value = json.loads((folder / name).read_text())
        assert set(value) == set(table(f"`{name}`"))
        check_keys(value, f"`{name}`")
    for row in step_rows((tmp_path / "log.jsonl").read_bytes()):
        check_keys(row, "`log.jsonl`")


def test_the_examples_of_a_run_are_read(tmp_path: Path) -> None:
    (tmp_path / record.RECORD).write_text(json.dumps(example("`checkpoint.json`")))
    found = record.read_record(tmp_path)
    assert found.step == 2
    assert set(found.files) <= set(table("Files of a checkpoint"))
    state = Table.of(example("`state.json`"), "checkpoint", "state.json").only(_KEYS)
    assert config_of(state.table("config")).mixture == "demo"
    assert state.table("model").get("start", str)
    check_keys(example("`log.jsonl`"), "`log.jsonl`")
