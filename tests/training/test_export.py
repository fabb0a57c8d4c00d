"""An exported run: plain transformers loads it, and gives our logits and our answers."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from toy_models import toy_folder
from toy_training import ToyStream, silent, toy_config, train_on
from transformers import (
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    InstructBlipVideoForConditionalGeneration,
)

from ib_data.evaluation.answering import Asked
from ib_data.evaluation.decoding import Decoding
from ib_data.home import Home
from ib_data.media.normalised import normalised
from ib_data.media.pixels import pixels
from ib_data.stream_options import ImageOptions
from ib_data.training.export.export_run import export_run
from ib_data.training.export.model_card import model_card
from ib_data.training.generation.opened import load
from ib_data.training.loop.checkpoint import read
from ib_data.training.loop.train_log import step_rows
from ib_data.training.model.forward import image_features, language_inputs, soft_prompt
from ib_data.training.weights.folder import require_model_folder

PROMPT = "What shape is shown? Short answer:"
QUIRKS = {"llama": {"bos_token": "</s>"}, "t5": {"activation": "gelu"}}


@dataclasses.dataclass
class Run:
    start: Path
    folder: Path
    out: Path
    ours: object
    plain: InstructBlipForConditionalGeneration
    processor: InstructBlipProcessor


@pytest.fixture(scope="module", params=["llama", "t5"])
def run(request, tmp_path_factory) -> Run:
    """Two steps of a family with its quirk, exported."""
    root = tmp_path_factory.mktemp("run")
    start = toy_folder(root / "start", request.param)
    config = toy_config(model=str(start), steps=4, warmup_steps=1, learning_rate=1e-2, **QUIRKS[request.param])
    train_on(config, ToyStream(), root / "run", silent)
    written = export_run(root / "run", root / "model", Home(root))
    assert written.step == 4
    plain, info = InstructBlipForConditionalGeneration.from_pretrained(root / "model", output_loading_info=True)
    assert info["missing_keys"] == info["unexpected_keys"] == set()
    processor = InstructBlipProcessor.from_pretrained(root / "model")
    return Run(start, root / "run", root / "model", load(root / "run", Home(root)), plain.eval(), processor)


def square(colour: str) -> Image.Image:
    image = Image.new("RGB", (32, 32), "white")
    image.paste(colour, (8, 8, 24, 24))
    return image


def bytes_of(image: Image.Image, path: Path) -> bytes:
    image.save(path, "PNG")
    return path.read_bytes()


def our_logits(run: Run, frames: torch.Tensor, decoder: dict) -> torch.Tensor:
    """The logits of our forward for one annotation of these frames, at every position."""
    trained = run.ours
    model, rows = trained.loaded.model, trained.rows
    text = torch.tensor([rows.qformer(PROMPT)] * len(frames))
    ids = torch.tensor([rows.prompt(PROMPT, len(frames))])
    prompt = soft_prompt(model, image_features(model, frames), text, torch.ones_like(text))
    embeddings = language_inputs(model, prompt, ids)
    return model.language_model(inputs_embeds=embeddings, attention_mask=torch.ones_like(ids), **decoder).logits


def decoder_of(run: Run) -> dict:
    causal = run.plain.config.use_decoder_only_language_model
    return {} if causal else {"decoder_input_ids": torch.tensor([[0, 6, 7]])}


@torch.no_grad()
def test_an_image_has_our_logits(run, tmp_path):
    inputs = run.processor(images=square("red"), text=PROMPT, return_tensors="pt")
    ours = pixels(bytes_of(square("red"), tmp_path / "x.png"), "image", ImageOptions(image_px=32))
    frames = normalised(torch.from_numpy(ours)[None])
    torch.testing.assert_close(inputs["pixel_values"], frames, rtol=0, atol=1e-5)
    decoder = decoder_of(run)
    found = run.plain(**inputs, **decoder).logits
    expected = our_logits(run, frames, decoder)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_four_frames_have_our_logits_through_the_video_class(run):
    video, info = InstructBlipVideoForConditionalGeneration.from_pretrained(run.out, output_loading_info=True)
    assert info["missing_keys"] == info["unexpected_keys"] == set()
    images = [square(colour) for colour in ("red", "blue", "green", "yellow")]
    frames = run.processor.image_processor(images, return_tensors="pt")["pixel_values"]
    rows, decoder = run.ours.rows, decoder_of(run)
    ids, text = torch.tensor([rows.prompt(PROMPT, 4)]), torch.tensor([rows.qformer(PROMPT)])
    found = video.eval()(
        pixel_values=frames[None],
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        qformer_input_ids=text,
        qformer_attention_mask=torch.ones_like(text),
        **decoder,
    ).logits
    torch.testing.assert_close(found, our_logits(run, frames, decoder), rtol=0, atol=1e-5)
    other = our_logits(run, frames.flip(0), decoder)
    assert not torch.allclose(found, other, atol=1e-4)


def test_the_processor_and_generate_give_our_answers(run, tmp_path):
    for colour in ("red", "blue"):
        inputs = run.processor(images=square(colour), text=PROMPT, return_tensors="pt")
        assert inputs["input_ids"].tolist() == [run.ours.rows.prompt(PROMPT, 1)]
        assert inputs["qformer_input_ids"].tolist() == [run.ours.rows.qformer(PROMPT)]
        ids = run.plain.generate(**inputs, max_new_tokens=6, do_sample=False)
        if run.plain.config.use_decoder_only_language_model:
            ids = ids[:, inputs["input_ids"].shape[1] :]
        found = run.processor.tokenizer.decode(ids[0], skip_special_tokens=True).strip()
        asked = Asked(PROMPT, [bytes_of(square(colour), tmp_path / "x.png")])
        assert found == run.ours.generate([asked], Decoding(max_new_tokens=6))[0]


def test_trained_tensors_are_the_checkpoint_s_and_frozen_ones_the_start_s(run):
    start, out = load_file(run.start / "model.safetensors"), load_file(run.out / "model.safetensors")
    trained = load_file(run.folder / "step-000004" / "trained.safetensors")
    assert out.keys() == start.keys()
    for name, tensor in out.items():
        assert torch.equal(tensor, trained.get(name, start[name])), name
    assert not torch.equal(trained["query_tokens"], start["query_tokens"])


def test_the_quirk_of_the_run_is_in_the_settings(run):
    config = json.loads((run.out / "config.json").read_text())
    if config["text_config"]["model_type"] == "t5":
        assert (
            run.plain.language_model.encoder.block[0].layer[1].DenseReluDense.act.__class__.__name__ == "GELUActivation"
        )
    else:
        assert run.processor.tokenizer.bos_token == "</s>"
        assert run.processor.tokenizer("a")["input_ids"][0] == run.processor.tokenizer.eos_token_id
        assert config["text_config"]["bos_token_id"] == run.processor.tokenizer.eos_token_id


def test_the_model_card_says_what_it_was_made_of(run):
    text = (run.out / "README.md").read_text()
    _, head, body = text.split("---\n", 2)
    values = yaml.safe_load(head)
    assert values["pipeline_tag"] == "image-text-to-text"
    assert "base_model" not in values  # a folder, not a hub id
    assert "tuned with `ib-data` for 4 steps of 8 annotations" in body
    assert "learning_rate = 0.01" in body
    assert 'model = "start"' in body
    assert str(run.start.parent) not in text
    losses = [row["loss"] for row in step_rows((run.folder / "log.jsonl").read_bytes())]
    assert f"{sum(losses) / 4:.4f} over the first 4 steps" in body


def test_the_card_of_a_known_mixture_lists_its_data(run):
    checkpoint = read(run.folder)
    config = dataclasses.replace(checkpoint.config, mixture="instructblip", model="org/start")
    cached = Path("/hub/models--org--start/snapshots/abc")
    checkpoint = dataclasses.replace(checkpoint, config=config, start=cached)
    text = model_card("mine", checkpoint, require_model_folder(run.start), b"")
    values = yaml.safe_load(text.split("---\n", 2)[1])
    assert values["base_model"] == "org/start"
    assert {"coco_caption", "vqav2", "llava_reasoning"} <= set(values["datasets"])
    row = next(line for line in text.splitlines() if line.startswith("| vqav2 "))
    assert "| train | 443,757 |" in row
    assert "CC BY 4.0" in row
    assert "No step was made." in text
    assert "input_ids=None" not in text
    plain = dataclasses.replace(checkpoint, config=dataclasses.replace(config, instruction_aware=False))
    text = model_card("mine", plain, require_model_folder(run.start), b"")
    assert "trained without the instruction: call `model.qformer` with `input_ids=None`" in text


def test_a_relative_path_is_not_a_model_of_the_hub(run):
    checkpoint = read(run.folder)
    config = dataclasses.replace(checkpoint.config, model="starts/vicuna-7b")  # where the run was, not here
    checkpoint = dataclasses.replace(checkpoint, config=config, start=Path("/elsewhere/starts/vicuna-7b"))
    text = model_card("mine", checkpoint, require_model_folder(run.start), b"")
    assert "base_model" not in text
    assert 'model = "vicuna-7b"' in text


def test_the_card_has_the_last_validation(run):
    rows = [
        {"step": 2, "validation": {"vqav2": 3.0, "gqa": 2.0}, "validation_mean": 2.5},
        {"step": 2, "loss": 1.5},
        {"step": 3, "loss": None},
        {"step": 4, "validation": {"vqav2": 1.25, "gqa": None}, "validation_mean": None},
        {"step": 4, "epochs": {}},
    ]
    log = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    text = model_card("mine", read(run.folder), require_model_folder(run.start), log)
    results = text.split("## Results")[1]
    assert "1.5000 over the first step" in results
    assert "after step 4:\n\n| dataset | loss |\n|---|---|\n| vqav2 | 1.2500 |\n| gqa | not finite |" in results
    assert "| mean | not finite |" in results
    assert "3.0000" not in results


def test_what_cannot_be_exported_is_one_line(run, cli, home, tmp_path):
    def told(*arguments: object) -> str:
        result = cli("model", "export", *arguments, "--home", home.root)
        assert (result.code, result.err.count("\n")) == (1, 1), result
        return result.err

    assert "is not empty" in told(run.folder, "--out", run.out)
    assert "expected a checkpoint" in told(tmp_path, "--out", tmp_path / "x")
    other = toy_folder(tmp_path / "other", "llama", seed=5)
    message = told(run.folder, "--out", tmp_path / "x", "--start", other)
    assert "is not the model that" in message
    assert "--start" in message
    assert not (tmp_path / "x").exists()


def test_the_verb_exports_a_checkpoint_with_a_moved_start(run, cli, home, tmp_path):
    moved = tmp_path / "moved"
    run.start.rename(moved)
    try:
        folder = run.folder / "step-000003"
        result = cli("model", "export", folder, "--out", tmp_path / "x", "--home", home.root)
        assert "is gone; name a copy of that folder with --start" in result.err
        result = cli(
            "model", "export", folder, "--out", tmp_path / "x", "--start", moved, "--json", "--home", home.root
        )
    finally:
        moved.rename(run.start)
    assert result.code == 0, result.err
    written = json.loads(result.out)
    assert written["step"] == 3
    assert written["num_trained"] == len(load_file(folder / "trained.safetensors"))


def test_best_needs_a_validation(run, cli, home, tmp_path):
    said = cli("model", "export", run.folder, "--best", "--out", tmp_path / "model", "--home", home.root)
    assert said.code == 1
    assert "no checkpoint of it was validated, so none is best" in said.err
    assert not (tmp_path / "model").exists()


def test_a_run_may_be_named_relative_to_the_home(run, cli, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (home.root / "runs").mkdir(parents=True, exist_ok=True)
    (home.root / "runs" / "mine").symlink_to(run.folder)
    said = cli("model", "export", "runs/mine", "--out", "model", "--home", home.root)
    assert (said.code, said.out) == (0, f"model: step 4, {len(_trained(run))} trained of {len(_whole(run))} tensors\n")
    said = cli("model", "export", "runs/mine", "--best", "--out", "best", "--home", home.root)
    assert "no checkpoint of it was validated" in said.err
    said = cli("model", "export", "runs/other", "--out", "other", "--home", home.root)
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "runs/other: no such folder, here or in" in said.err


def test_of_a_start_in_half_precision_the_card_loads_our_values(tmp_path):
    start = toy_folder(tmp_path / "start")
    whole = InstructBlipForConditionalGeneration.from_pretrained(start).to(torch.bfloat16)
    whole.save_pretrained(start)
    config = toy_config(model=str(start), steps=2, warmup_steps=1, learning_rate=1e-2)
    train_on(config, ToyStream(), tmp_path / "run", silent)
    export_run(tmp_path / "run", tmp_path / "model", Home(tmp_path))
    code = (tmp_path / "model" / "README.md").read_text().split("```python\n")[1].split("inputs = ")[0]
    names = {"FOLDER": tmp_path / "model"}
    exec(code, names)
    plain, processor = names["model"].eval(), names["processor"]
    assert {parameter.dtype for parameter in plain.parameters()} == {torch.float32}
    made = Run(start, tmp_path / "run", tmp_path / "model", load(tmp_path / "run", Home(tmp_path)), plain, processor)
    inputs = processor(images=square("red"), text=PROMPT, return_tensors="pt")
    with torch.no_grad():
        expected = our_logits(made, inputs["pixel_values"], {})
        torch.testing.assert_close(plain(**inputs).logits, expected, rtol=0, atol=1e-5)


def _trained(run: Run) -> dict:
    return load_file(run.folder / "step-000004" / "trained.safetensors")


def _whole(run: Run) -> dict:
    return load_file(run.out / "model.safetensors")
