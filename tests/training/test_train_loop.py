import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from toy_models import toy_folder
from toy_training import KilledError, ToyStream, silent, toy_config, toy_example, toy_loaded, train_on
from transformers import InstructBlipForConditionalGeneration

from ib_data.errors import IbDataError
from ib_data.training.features import cached
from ib_data.training.loop import checkpoint as checkpoints
from ib_data.training.loop import losses, run
from ib_data.training.loop.record import write_record
from ib_data.training.loop.train_log import step_rows
from ib_data.training.model.compiled import compile_parts
from ib_data.training.model.parts import trained_parameters


def logged(out) -> list[dict]:
    """The lines of the steps."""
    return step_rows((out / "log.jsonl").read_bytes())


def test_loss_falls_over_fifty_steps(tmp_path) -> None:
    outcome = train_on(toy_config(steps=50, batch_size=16, save_every=50), ToyStream(), tmp_path, silent)
    losses = [row["loss"] for row in logged(tmp_path)]
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])
    assert (outcome.first_loss, outcome.last_loss) == (losses[0], losses[-1])


def test_a_killed_run_goes_on_with_the_same_losses(tmp_path) -> None:
    config = toy_config(steps=6, save_every=3)
    train_on(config, ToyStream(), tmp_path / "straight", silent)
    # Killed in step 4, after the checkpoint at 3: step 3 is logged already and must be made again, not doubled.
    with pytest.raises(KilledError):
        train_on(config, ToyStream(stop_at=35), tmp_path / "killed", silent)
    assert len(logged(tmp_path / "killed")) == 4
    lines: list[str] = []
    outcome = train_on(config, ToyStream(), tmp_path / "killed", lines.append)
    assert lines[0] == "resuming at step 3 of 6"
    assert outcome.num_new_steps == 3
    straight, killed = logged(tmp_path / "straight"), logged(tmp_path / "killed")
    assert [(row["step"], row["loss"], row["learning_rate"]) for row in killed] == [
        (row["step"], row["loss"], row["learning_rate"]) for row in straight
    ]
    for file in ("trained.safetensors", "optimizer.safetensors"):
        one, other = (load_file(tmp_path / run / "step-000006" / file) for run in ("straight", "killed"))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_whose_places_disagree_is_refused(tmp_path) -> None:
    folder = train_on(toy_config(), ToyStream(), tmp_path, silent).checkpoint
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({**state, "position": 47}))
    write_record(folder, 6)
    with pytest.raises(IbDataError, match="step 6, position 47, stream position 48 do not fit"):
        train_on(toy_config(), ToyStream(), tmp_path, silent)


def test_dropout_is_on_and_changes_with_the_step(tmp_path) -> None:
    # Steps over the same eight examples at a rate of almost zero: only dropout can make their losses differ.
    start = toy_folder(tmp_path / "start", dropout=0.1)
    config = toy_config(steps=3, learning_rate=1e-12, warmup_steps=0, model=str(start))

    class Same(ToyStream):
        def batch(self, start, count):
            return [dataclasses.replace(toy_example(p % 8), position=p) for p in range(start, start + count)]

    train_on(config, Same(), tmp_path / "run", silent)
    assert len({row["loss"] for row in logged(tmp_path / "run")}) == 3


def test_training_leaves_the_global_generator_alone(tmp_path) -> None:
    before = torch.get_rng_state()
    train_on(toy_config(steps=3), ToyStream(), tmp_path, silent)
    assert torch.equal(before, torch.get_rng_state())


def test_checkpoints_hold_only_safetensors_and_json(tmp_path) -> None:
    train_on(toy_config(), ToyStream(), tmp_path, silent)
    assert sorted(entry.name for entry in tmp_path.glob("step-*")) == ["step-000003", "step-000006"]
    for folder in tmp_path.glob("step-*"):
        assert {file.suffix for file in folder.iterdir()} == {".safetensors", ".json", ".jsonl"}
    names = load_file(tmp_path / "step-000006" / "trained.safetensors").keys()
    assert {name.split(".")[0] for name in names} == {"qformer", "language_projection", "query_tokens"}
    state = json.loads((tmp_path / "step-000006" / "state.json").read_text())
    assert (state["step"], state["position"]) == (6, 48)
    assert state["stream"] == {"position": 48, "seed": 0}
    assert not list(tmp_path.glob(".partial*"))


def test_a_password_in_the_address_of_shards_is_not_kept(tmp_path) -> None:
    config = toy_config(shards="s3://user:secret@bucket/shards?token=abc")
    folder = train_on(config, ToyStream(), tmp_path, silent).checkpoint
    text = (folder / "state.json").read_text()
    assert "s3://bucket/shards" in text
    assert "secret" not in text
    assert "abc" not in text


def test_the_log_says_where_the_time_went(tmp_path) -> None:
    train_on(toy_config(steps=3), ToyStream(), tmp_path, silent)
    for row in logged(tmp_path):
        assert row.keys() > {"samples_per_s", "wait_s", "read_s", "decode_s", "render_s", "num_bad", "num_cache_hits"}
        assert row["wait_s"] > 0


def test_a_finished_run_is_left_as_it_is(tmp_path) -> None:
    first = train_on(toy_config(), ToyStream(), tmp_path, silent)
    again = train_on(toy_config(), ToyStream(), tmp_path, silent)
    assert again == dataclasses.replace(first, num_new_steps=0)


def test_a_log_that_was_thrown_away_is_said_and_taken_from_the_checkpoint(tmp_path) -> None:
    first = train_on(toy_config(), ToyStream(), tmp_path, silent)
    log = (tmp_path / "log.jsonl").read_bytes()
    (tmp_path / "log.jsonl").unlink()
    lines: list[str] = []
    assert train_on(toy_config(), ToyStream(), tmp_path, lines.append).last_loss == first.last_loss
    assert "log.jsonl: expected 9 lines, found no such file; the log is restored from the checkpoint" in lines[0]
    assert (tmp_path / "log.jsonl").read_bytes() == log


def test_half_a_checkpoint_is_not_taken_for_whole(tmp_path) -> None:
    train_on(toy_config(steps=3), ToyStream(), tmp_path, silent)
    (tmp_path / "step-000003").rename(tmp_path / "step-000003.part")
    (tmp_path / "step-000003.part" / "state.json").unlink()
    assert checkpoints.newest(tmp_path) is None
    outcome = train_on(toy_config(steps=3), ToyStream(), tmp_path, silent)
    assert outcome.num_new_steps == 3
    assert [row["step"] for row in logged(tmp_path)] == [0, 1, 2]


def test_resuming_over_other_data_is_refused(tmp_path) -> None:
    train_on(toy_config(), ToyStream(), tmp_path, silent)
    with pytest.raises(IbDataError, match=r"step-000006: cannot resume: .*seed was 0, is 5; name another --out"):
        train_on(toy_config(), ToyStream(seed=5), tmp_path, silent)


def test_resuming_with_another_configuration_names_what_changed(tmp_path) -> None:
    train_on(toy_config(), ToyStream(), tmp_path, silent)
    with pytest.raises(IbDataError, match=r"cannot resume: batch_size was 8, is 4; learning_rate was .*another --out"):
        train_on(toy_config(batch_size=4, learning_rate=1.0), ToyStream(), tmp_path, silent)
    assert train_on(toy_config(save_every=1), ToyStream(), tmp_path, silent).num_new_steps == 0


def test_another_start_is_refused(tmp_path) -> None:
    train_on(toy_config(), ToyStream(), tmp_path / "run", silent)
    other = toy_folder(tmp_path / "other", seed=1)
    with pytest.raises(IbDataError, match=r"other is not the model it began from \(expected \w{12}.*, found \w{12}"):
        train_on(toy_config(model=str(other)), ToyStream(), tmp_path / "run", silent)


def test_a_copy_of_the_start_elsewhere_is_the_same_start(tmp_path) -> None:
    train_on(toy_config(steps=3), ToyStream(), tmp_path / "run", silent)
    copy = toy_folder(tmp_path / "copy")
    assert train_on(toy_config(model=str(copy)), ToyStream(), tmp_path / "run", silent).num_new_steps == 3


def test_a_start_for_images_of_another_size_is_one_line(tmp_path) -> None:
    with pytest.raises(IbDataError, match=r"image_px is 48, the vision encoder of .* takes 32; set image_px=32"):
        train_on(toy_config(image_px=48), ToyStream(), tmp_path, silent)


def test_a_checkpoint_that_was_not_made_here_is_named(tmp_path) -> None:
    """Files that fit their checksums and nothing else."""
    folder = train_on(toy_config(), ToyStream(), tmp_path, silent).checkpoint
    whole = (folder / "trained.safetensors").read_bytes()

    def refused(match: str) -> None:
        write_record(folder, 6)
        with pytest.raises(IbDataError, match=match):
            train_on(toy_config(), ToyStream(), tmp_path, silent)

    (folder / "trained.safetensors").write_bytes(whole[:-100])
    refused(r"trained\.safetensors: cannot be read as safetensors")
    save_file({"query_tokens": torch.zeros(1, 8, 64)}, folder / "trained.safetensors")
    refused("names or shapes do not fit")
    (folder / "trained.safetensors").write_bytes(whole)
    save_file({"query_tokens:step": torch.zeros(())}, folder / "optimizer.safetensors")
    refused(r"the moments of .* are missing")
    (folder / "state.json").write_text("{")
    refused("not JSON")
    (folder / "log.jsonl").unlink()
    refused(r"checkpoint\.json: lists no log\.jsonl")


def test_two_runs_cannot_share_a_folder(tmp_path) -> None:
    class Nested(ToyStream):
        def batch(self, start, count):
            train_on(toy_config(), ToyStream(), tmp_path, silent)
            return []

    with pytest.raises(IbDataError, match="another run is writing there"):
        train_on(toy_config(), Nested(), tmp_path, silent)


def test_an_example_without_pixels_stops_the_run_with_its_place(tmp_path) -> None:
    class Holed(ToyStream):
        def batch(self, start, count):
            found = super().batch(start, count)
            return [dataclasses.replace(e, pixels=None) if e.position == 11 else e for e in found]

    with pytest.raises(IbDataError, match="toy: toy-train-000000000001: the example has no pixels"):
        train_on(toy_config(), Holed(), tmp_path, silent)


def test_cuda_without_a_device_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(IbDataError, match="torch finds no CUDA device"):
        train_on(toy_config(device="cuda"), ToyStream(), tmp_path, silent)


def test_toy_examples_cover_every_question() -> None:
    assert len({(e.rendered, e.media) for e in map(toy_example, range(24))}) == 24


def test_a_feature_cache_changes_no_loss_and_saves_the_encoder_its_work(tmp_path, monkeypatch) -> None:
    num_encoded: list[int] = []
    real = cached.image_features
    monkeypatch.setattr(cached, "image_features", lambda model, px: (num_encoded.append(len(px)), real(model, px))[1])
    half = {"precision": "bfloat16"}
    train_on(toy_config(**half), ToyStream(), tmp_path / "plain", silent)
    for name in ("first", "second"):
        train_on(toy_config(**half, feature_cache_gb=1), ToyStream(seed=0), tmp_path / name, silent)
    losses = [[row["loss"] for row in logged(tmp_path / name)] for name in ("plain", "first", "second")]
    assert losses[0] == losses[1] == losses[2]
    assert sum(num_encoded) == 8  # the toy's eight images, once in both runs


def test_a_feature_cache_that_would_round_float32_is_refused(tmp_path) -> None:
    with pytest.raises(
        IbDataError, match=r"keeps features as bfloat16, .*set precision=bfloat16, or feature_cache_gb=0"
    ):
        train_on(toy_config(feature_cache_gb=1), ToyStream(), tmp_path, silent)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of torch.compile itself
def test_compiled_parts_give_the_same_losses(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(run, "compile_parts", lambda model: compile_parts(model, backend="eager"))
    losses = []
    for name, is_compiled in (("plain", False), ("compiled", True)):
        train_on(toy_config(steps=3, compile=is_compiled), ToyStream(), tmp_path / name, silent)
        losses.append([row["loss"] for row in logged(tmp_path / name)])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_a_step_that_fails_keeps_the_steps_before_it(tmp_path, monkeypatch) -> None:
    real, calls = losses.target_losses, iter(range(100))

    def full(*given):
        if next(calls) == 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(*given)

    with monkeypatch.context() as patched:
        patched.setattr(losses, "target_losses", full)
        with pytest.raises(IbDataError, match=r"step 5: out of GPU memory; .*; saved up to step 5 in"):
            train_on(toy_config(save_every=100), ToyStream(), tmp_path, silent)
    assert train_on(toy_config(save_every=100), ToyStream(), tmp_path, silent).num_new_steps == 1


def test_a_model_that_does_not_fit_is_one_line(tmp_path, monkeypatch) -> None:
    def full(_model, _device):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(InstructBlipForConditionalGeneration, "to", full)
    with pytest.raises(IbDataError, match="does not fit into the memory of the GPU; start several processes"):
        train_on(toy_config(), ToyStream(), tmp_path, silent)


def test_fused_adamw_resumes_with_its_step_count_on_the_device(tmp_path) -> None:
    folder = train_on(toy_config(), ToyStream(), tmp_path, silent).checkpoint
    model = toy_loaded().model.to("meta")
    optimizer = torch.optim.AdamW(trained_parameters(model).values())
    for is_fused, device in ((True, "meta"), (False, "cpu")):
        optimizer.param_groups[0]["fused"] = is_fused
        checkpoints.load_optimizer(folder, model, optimizer)
        assert {state["step"].device.type for state in optimizer.state.values()} == {device}
        assert {state["exp_avg"].device.type for state in optimizer.state.values()} == {"meta"}


def test_a_finished_run_says_so(tmp_path) -> None:
    train_on(toy_config(), ToyStream(), tmp_path, silent)
    lines: list[str] = []
    train_on(toy_config(), ToyStream(), tmp_path, lines.append)
    assert lines == ["complete: 6 of 6 steps are done; to train longer, raise steps"]


def test_an_optimizer_without_memory_for_its_moments_is_one_line(tmp_path, monkeypatch) -> None:
    def full(_optimizer):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.optim.AdamW, "step", full)
    with pytest.raises(IbDataError, match="step 0: out of GPU memory; set micro_batch_size below 8, and resume"):
        train_on(toy_config(), ToyStream(), tmp_path, silent)
