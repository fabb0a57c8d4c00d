"""The stages of the backbones: in order, each once, continued after a stop, and checked."""

import json
from pathlib import Path

import pytest

from ib_data.errors import IbDataError
from ib_data.training.backbones import make as making

GOOD = {
    "vision": {"cell": {"kind": 0.99}, "probe": {"cell kind": 0.95, "shape, all": 0.95}},
    "llama": {"templates": {"all": 0.96}, "prompts": {"all": 0.97}, "naming": {"captions": 1.0}},
    "t5": {"templates": {"all": 0.9}, "prompts": {"all": 0.9}, "naming": {"captions": 1.0}},
    "start": {"words": {"shapes": 0.97, "named": 0.94}},
    "maps": {},
}


def test_a_stage_is_recorded_once_it_has_ended_and_not_repeated(tmp_path: Path, monkeypatch) -> None:
    runs = []
    monkeypatch.setitem(making.STAGES, "vision", lambda work: runs.append(work) or GOOD["vision"])
    assert not making._is_done(tmp_path, "vision")
    making.run_stage(tmp_path, "vision")
    assert json.loads((tmp_path / "vision.json").read_text())["report"] == GOOD["vision"]
    making._run_lane(tmp_path, ("vision",))
    assert len(runs) == 1


def test_a_stage_that_was_stopped_or_made_by_other_code_is_run_again(tmp_path: Path, monkeypatch) -> None:
    def stopped(_work: Path) -> dict:
        raise KeyboardInterrupt

    monkeypatch.setitem(making.STAGES, "llama", stopped)
    with pytest.raises(KeyboardInterrupt):
        making.run_stage(tmp_path, "llama")
    assert not making._is_done(tmp_path, "llama")
    (tmp_path / "llama.json").write_text(json.dumps({"made_by": "other code", "report": {}}))
    assert not making._is_done(tmp_path, "llama")


@pytest.mark.parametrize(("stage", "path"), [("vision", ("cell", "kind")), ("llama", ("prompts", "all"))])
def test_a_stage_below_its_figures_is_named(stage: str, path: tuple[str, str]) -> None:
    making.check(GOOD)
    low = {**GOOD, stage: {**GOOD[stage], path[0]: {**GOOD[stage][path[0]], path[1]: 0.3}}}
    with pytest.raises(IbDataError, match=f"stage {stage}: {path[0]}.{path[1]} is 0.300, expected at least"):
        making.check(low)


def test_a_stage_that_fails_is_named_with_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(IbDataError, match="stage nothing failed with status 2; the same command continues"):
        making._run_lane(tmp_path, ("nothing",))
