"""`ib-data train CONFIG --dry-run`: what it says, and that it does nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toy_models import shared_toy_folder, toy_folder, untied
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from ib_data.home import Home
from ib_data.training.config.config_file import load_config
from ib_data.training.estimate.ceiling import matrix_ceiling
from ib_data.training.estimate.dry_run import dry_run
from ib_data.training.estimate.flops import Row
from ib_data.training.estimate.memory import Memory, memory_of
from ib_data.training.estimate.parts import parts_of
from ib_data.training.estimate.report import report_text
from ib_data.training.estimate.shapes import named_config
from ib_data.training.model.load import load_model
from ib_data.training.model.parts import freeze, trained_parameters


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture
def no_cuda(monkeypatch) -> None:
    """A machine without a GPU, whose ceiling need not be measured again in each test."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("ib_data.training.estimate.dry_run.matrix_ceiling", lambda _device, _dtype: 2e12)


def plain(cli, home: Path, *given: object) -> dict:
    said = cli("train", *given, "--dry-run", "--json", "--home", home)
    assert said.code == 0, said.err
    return json.loads(said.out)


@pytest.mark.parametrize("family", ["llama", "t5"])
@pytest.mark.parametrize("aware", [True, False])
def test_the_parameters_are_those_of_the_model_in_the_folder(tmp_path, no_cuda, family: str, aware: bool) -> None:
    folder = shared_toy_folder(family)
    config = load_config("miniature", [f"model={folder}", f"instruction_aware={str(aware).lower()}"])
    found = dry_run(config, Home(tmp_path))
    model = load_model(folder).model
    freeze(model, instruction_aware=aware)
    assert sum(found.model.parameters.values()) == sum(p.numel() for p in model.parameters())
    assert sum(found.model.trained.values()) == sum(p.numel() for p in trained_parameters(model).values())
    assert (found.model.sizes_from, found.model.remedy) == (str(folder), None)
    assert found.cost
    assert found.cost.flops > 0


def test_it_reports_the_whole_run_and_writes_nothing(cli, tmp_path, no_cuda, monkeypatch, build_split) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    build_split(Home(home), "okvqa", 3)
    before = files(tmp_path)
    monkeypatch.setattr("ib_data.training.estimate.dry_run._device_bytes", lambda _device: 40 * 10**9)
    found = plain(cli, home, "instructblip-vicuna-7b", "mixture=demo", "steps=2000")
    text = cli("train", "instructblip-vicuna-7b", "mixture=demo", "steps=2000", "--dry-run", "--home", home)
    assert files(tmp_path) == before
    values = load_config("instructblip-vicuna-7b", ["mixture=demo", "steps=2000"]).values()
    assert found["config"] == {**values, "betas": [0.9, 0.999]}
    assert found["positions"] == 2000 * 128
    members = {row["member"]: row for row in found["members"]}
    assert sum(row["weight"] for row in members.values()) == pytest.approx(1)
    okvqa = members["okvqa"]
    assert okvqa["epochs"] == pytest.approx(okvqa["positions"] / okvqa["built"], rel=1e-3)
    assert members["vqav2"]["built"] is None
    assert found["missing"] == ["ib-data build vqav2 coco_caption aokvqa"]  # the view vqav2_qg has the shards of vqav2
    assert found["model"]["sizes_from"] == "the shape of vicuna-7b, as the name says"
    assert "ib-data model merge" in found["model"]["remedy"]
    assert found["cost"]["typical"]["total"] < found["cost"]["longest"]["total"]
    expected = 2000 * found["cost"]["flops"] / (0.4 * found["cost"]["ceiling"]) / 3600
    assert found["cost"]["hours"] == pytest.approx(expected)
    for part in (
        "warmup_steps",
        "language_model",
        "vqav2_qg",
        "lower micro_batch_size",
        "4,723,968 parameters of the last",
        "run `ib-data build vqav2",
    ):
        assert part in text.out
    assert text.out.endswith("dry run: nothing was trained or written\n")


SIZES = (  # frozen weights, typical total, longest total of a device of 25.3 GB
    (32, 40, 60, "does not fit: the frozen weights alone are 32.0 GB of 25.3 GB; take a machine with more memory"),
    (16, 40, 60, "does not fit: typical rows need 40.0 GB of 25.3 GB; lower micro_batch_size"),
    (16, 24.7, 54.1, "fits for typical rows (24.7 GB of 25.3 GB), not at the token limits (54.1 GB)"),
    (16, 20, 25, "fits, also at the token limits (25.0 GB of 25.3 GB)"),
)


@pytest.mark.parametrize(("frozen", "typical", "longest", "line"), SIZES)
def test_the_verdict_on_memory(tmp_path, no_cuda, frozen: float, typical: float, longest: float, line: str) -> None:
    found = dry_run(load_config("miniature", [f"model={shared_toy_folder()}"]), Home(tmp_path))
    assert found.cost
    memories = (
        Memory(frozen_weights=round(frozen * 1e9), trained_weights=0, activations=round((total - frozen) * 1e9))
        for total in (typical, longest)
    )
    given = dict(zip(("typical", "longest"), memories, strict=True))
    cost = replace(found.cost, device_bytes=25_300_000_000, **given)
    assert line in report_text(replace(found, cost=cost)).splitlines()
    on_gpu = report_text(replace(found, cost=replace(cost, device="NVIDIA H200")))
    assert ("shard the language model" in on_gpu) is line.startswith("does not fit")


TIMES = (
    (82.4 * 8760, "about 82 years"),
    (12_345 * 8760, "about 12,000 years"),
    (800, "about 33 days"),
    (13.2, "about 13 hours"),
    (0.5, "about 30 minutes"),
    (0.01, "under 2 minutes"),
)


@pytest.mark.parametrize(("hours", "text"), TIMES)
def test_the_time_has_no_false_precision(tmp_path, no_cuda, hours: float, text: str) -> None:
    found = dry_run(load_config("miniature", [f"model={shared_toy_folder()}"]), Home(tmp_path))
    assert found.cost
    said = report_text(replace(found, cost=replace(found.cost, hours=hours)))
    assert f"\n{text} for all steps at 40% of the ceiling" in said
    assert "measured now; it depends on what else runs" in said
    assert "with rows of 20 and 15 tokens; docs/reproduce.md" in said


def test_scoring_is_said_not_to_be_counted(tmp_path, no_cuda) -> None:
    values = [f"model={shared_toy_folder()}", "scoring_samples=7"]
    configs = [load_config("miniature", [*values, *more]) for more in ([], ["score_every=20"])]
    said = [report_text(dry_run(config, Home(tmp_path))) for config in configs]
    line = "scoring (7 cases per dataset every 20 steps) is not counted: its time depends on the lengths of answers"
    assert [line in text.splitlines() for text in said] == [False, True]


def test_what_is_not_known_is_left_out(cli, tmp_path, no_cuda) -> None:
    found = plain(cli, tmp_path / "home", "miniature", "model=elsewhere", "annotations_per_image=4")
    assert (found["model"]["sizes_from"], found["cost"], found["model"]["parameters"]) == (None, None, {})
    assert {row["epochs"] for row in found["members"]} == {None}  # a position is an image, and none is built
    said = cli("train", "miniature", "model=elsewhere", "--dry-run", "--home", tmp_path / "home")
    assert "model elsewhere: sizes not known yet" in said.out
    assert "no such folder: make it with `ib-data model merge` or `ib-data model new`" in said.out
    values = dict(line.split()[:2] for line in said.out.split("\n\n")[0].splitlines() if len(line.split()) > 1)
    assert (values["tensorboard"], values["compile"]) == ("true", "false")  # as in a file
    found = plain(cli, tmp_path / "home", "finetune-scienceqa-vicuna-7b")
    assert found["missing"] == ["ib-data build scienceqa --split train"]
    assert "hf download Salesforce/instructblip-vicuna-7b" in found["model"]["remedy"]


def test_settings_that_would_end_the_run_are_named(cli, tmp_path, no_cuda, monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "5")
    monkeypatch.setenv("RANK", "0")
    given = ("miniature", f"model={shared_toy_folder()}", "annotations_per_image=3", "image_px=64", "batch_size=32")
    found = plain(cli, tmp_path / "home", *given)
    assert found["problems"] == [
        "batch_size 32 is not a multiple of 5 processes",
        "image_px is 64, the vision encoder takes 32; set image_px=32",
    ]
    assert (found["cost"]["micro_batch"], found["cost"]["annotations_per_image"]) == (21, 3)  # 7 images of a process
    text = cli("train", *given, "--dry-run", "--home", tmp_path / "home").out
    assert "problem: image_px is 64" in text
    assert "every image with all its annotations" in text


def test_a_folder_of_another_architecture_is_an_error(cli, tmp_path) -> None:
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}')
    said = cli("train", "miniature", f"model={tmp_path / 'bert'}", "--dry-run", "--home", tmp_path / "home")
    assert said.code == 1
    assert "bert" in said.err
    assert said.err.count("\n") == 1


def test_more_processes_share_the_work(tmp_path, no_cuda, monkeypatch) -> None:
    config = load_config("instructblip-vicuna-7b", ["micro_batch_size=0", "shard_language_model=true"])
    alone = dry_run(config, Home(tmp_path)).cost
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("RANK", "0")
    eight = dry_run(config, Home(tmp_path)).cost
    assert alone
    assert eight
    assert (alone.micro_batch, eight.micro_batch, eight.flops) == (128, 16, alone.flops)
    assert eight.typical.frozen_weights < alone.typical.frozen_weights / 4


@pytest.mark.parametrize("name", ["vicuna-7b", "flant5-xl"])
def test_the_kept_activations_are_near_what_torch_keeps(name: str) -> None:
    config = named_config(name)
    text = config.text_config
    text.num_hidden_layers = 2
    causal = name == "vicuna-7b"
    if not causal:
        text.num_decoder_layers, text.dense_act_fn = 2, "gelu"
    config.vision_config.num_hidden_layers = config.qformer_config.num_hidden_layers = 1
    row = Row(instruction=24, target=8, qformer=0)
    length = 32 + row.instruction + row.target * causal
    with torch.device("meta"):
        of = AutoModelForCausalLM if causal else AutoModelForSeq2SeqLM
        model = of.from_config(text, dtype=torch.bfloat16).requires_grad_(False).eval()
        inputs = torch.empty(1, length, text.hidden_size, dtype=torch.bfloat16, requires_grad=True)
        if causal:
            others = {"attention_mask": torch.zeros(1, 1, length, length, dtype=torch.bfloat16)}
        else:
            others = {"decoder_input_ids": torch.zeros(1, row.target, dtype=torch.int64)}
    weights = {p.untyped_storage()._cdata for p in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage()._cdata not in weights:
            kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(inputs_embeds=inputs, use_cache=False, **others)
    counted = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    parts = parts_of(config)
    estimate = memory_of(parts, [row], half=True, num_images=0)
    without = memory_of(parts, [Row(instruction=-32, target=0, qformer=0)], half=True, num_images=0)  # no tokens
    logits = row.target * text.vocab_size * 10
    assert estimate.activations - without.activations - logits == pytest.approx(counted, rel=0.25)


@pytest.mark.parametrize(("name", "language"), [("flant5-xl", 2_849_757_184), ("flant5-xxl", 11_135_332_352)])
def test_the_head_of_flant5_counts(name: str, language: int) -> None:
    assert parts_of(named_config(name)).parameters["language_model"] == language


def test_the_head_of_a_flant5_folder_counts(tmp_path, no_cuda) -> None:
    folder = untied(toy_folder(tmp_path / "start", "t5"))
    found = dry_run(load_config("miniature", [f"model={folder}"]), Home(tmp_path))
    model = load_model(folder).model
    assert model.language_model.lm_head.weight is not model.language_model.shared.weight
    assert sum(found.model.parameters.values()) == sum(p.numel() for p in model.parameters())


def test_the_optimiser_counts_the_trained_parameters_alone() -> None:
    parts = parts_of(named_config("flant5-xl"))
    whole, half = (memory_of(parts, [], half=half, num_images=0) for half in (False, True))
    assert whole.trained_weights == 16 * parts.num_trained
    assert (whole.frozen_weights, half.frozen_weights) == (4 * parts.num_frozen, 2 * parts.num_frozen)
    assert whole.activations == half.activations == 0


def test_the_ceiling_is_measured_with_values_that_differ(monkeypatch) -> None:
    multiplied: list[torch.Tensor] = []
    real, state = torch.Tensor.__matmul__, torch.random.get_rng_state()

    def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        multiplied.extend((a, b))
        return real(a, b)

    monkeypatch.setattr(torch.Tensor, "__matmul__", product)
    assert matrix_ceiling(torch.device("cpu"), torch.float32) > 1e8
    assert all(values.std() > 0.1 for values in multiplied)  # equal values draw less power on a GPU, and are faster
    assert torch.random.get_rng_state().equal(state)
