"""One cell of the study: trained and evaluated by the product, in a tiny home."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from ib_data.cards import load_card
from ib_data.home import Home
from ib_data.sample import Annotation, Answer
from ib_data.templates.render_options import RenderOptions
from ib_data.training.model.tiny_folder import TinyShape, save_folder, tiny_model

REAL_PLAN = """
seeds = [3]
mini_size = 8
cases = 3
held_in = ["vqav2"]
held_out = ["okvqa"]
splits = { vqav2 = "train", okvqa = "train" }
families = { toy = "START" }
[train]
mixture = "mine.toml"
steps = 3
warmup_steps = 1
batch_size = 2
learning_rate = 1e-3
image_px = 32
validate_every = 0
tensorboard = false
device = "cpu"
[arms.start]
seedless = true
ways = ["unaware", "card"]
[arms.base]
ways = ["card", "own"]
blind = true
[arms.after]
after = "base"
train = { mixture = "vqav2", steps = 2 }
points = [1, 2]
datasets = ["vqav2"]
"""
MIXTURE = """
base = "miniature"
only = ["vqav2", "okvqa"]
[render]
instructions = "dataset"
"""
Part = Callable[[str], ModuleType]


def test_a_cell_is_trained_and_evaluated_by_the_product(part: Part, picture_home: Home, tmp_path: Path) -> None:
    shape = TinyShape(
        image_px=32, num_query_tokens=2, vision_width=16, qformer_width=16, language_width=16, num_heads=2
    )
    save_folder(tmp_path / "start", *tiny_model(shape, ["what colour is it ? red"], 0))
    (tmp_path / "mine.toml").write_text(MIXTURE)
    (tmp_path / "real.toml").write_text(REAL_PLAN.replace("START", str(tmp_path / "start")))
    plan, out = part("plan").read_plan(tmp_path / "real.toml"), tmp_path / "out"
    found = {}
    for cell in plan.cells():
        found[cell.arm.name] = part("cell").run_cell(plan, cell, picture_home, out)
    assert set(found["start"]["scores"]) == {"unaware", "card"}
    assert set(found["base"]["scores"]) == {"card", "own"}
    assert set(found["base"]["blind"]["card"]) == {"vqav2", "okvqa"}
    assert set(found["after"]["scores"]) == {"step 1", "step 2"}
    assert all(one["cpu_s"]["evaluate"] > 0 for one in found.values())
    # Asked and begun as the plan says.
    states = {
        name: json.loads((out / "runs" / f"toy-{name}-3" / f"step-{step:06d}" / "state.json").read_text())
        for name, step in (("base", 3), ("after", 2))
    }
    assert states["base"]["config"]["seed"] == 3
    assert states["after"]["model"]["start"] == str(out / "models" / "toy-base-3")
    templates = {
        way: json.loads((out / "evaluations" / "toy-base-3" / way / "vqav2" / "run.json").read_text())["templates"]
        for way in ("card", "own")
    }
    assert templates["card"] != templates["own"]


def test_held_out_datasets_are_asked_without_instruction_and_name(part: Part) -> None:
    card, annotation = load_card("gqa"), Annotation(id="1", question="Is it red?", answers=(Answer("no", 1),))
    for instructions, expected in (("plain", "Is it red?"), ("dataset", "[visual reasoning] Is it red?")):
        renderer = part("cell").Uninstructed(options=RenderOptions(instructions=instructions))
        assert renderer.zero_shot(card) is None
        assert renderer.render(card, annotation, 0).instruction == expected
