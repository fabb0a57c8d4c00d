"""The vision encoder of the miniature: its training, its file, its probe and its optimiser."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from ib_data.builders.miniature.world.scene import Scene
from ib_data.training.backbones import labels, pictures
from ib_data.training.backbones.muon import Muon, orthogonal
from ib_data.training.backbones.probe import probe
from ib_data.training.backbones.vision import Student, features, load_encoder, targets_of, train, vision_config

NUMBERS = range(64)


@pytest.fixture(scope="module")
def images():
    return np.stack([pictures.drawn(number) for number in NUMBERS])


@pytest.fixture(scope="module")
def taught(images):
    student = Student()
    train(student, images, targets_of(NUMBERS), 3)
    return student


def test_the_same_bytes_twice(images, taught, tmp_path):
    again = Student()
    train(again, images, targets_of(NUMBERS), 3)
    for student, name in ((taught, "one"), (again, "two"), (Student(), "untaught")):
        student.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").read_bytes() != (tmp_path / "untaught").read_bytes()


def test_the_file_has_the_names_of_the_whole_model_in_float16(images, taught, tmp_path):
    taught.save(tmp_path / "vision.safetensors")
    values = load_file(tmp_path / "vision.safetensors")
    with torch.device("meta"):
        whole = InstructBlipForConditionalGeneration(InstructBlipConfig(vision_config=vision_config()))
    wanted = {k: v.shape for k, v in whole.vision_model.state_dict(prefix="vision_model.").items()}
    assert {name: value.shape for name, value in values.items()} == wanted
    assert {value.dtype for value in values.values()} == {torch.float16}
    encoder = load_encoder(tmp_path / "vision.safetensors")
    tokens = features(encoder, images, batch=50)
    assert (tokens.shape, tokens.dtype) == ((64, 37, 96), torch.float32)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    torch.testing.assert_close(tokens, features(taught.encoder, images), atol=0.05, rtol=0.05)


def test_nothing_but_the_position_embedding_writes_to_places(images, taught):
    for layer in taught.encoder.encoder.layers:
        for writer in (layer.self_attn.projection, layer.mlp.fc2, taught.encoder.embeddings.patch_embedding):
            assert not writer.weight[:10].any()
            assert not writer.bias[:10].any()
            assert writer.weight[10:].any()
    read = features(taught.encoder, images)[..., :10].argmax(-1)
    assert (read == torch.tensor([9, *labels.to_patches(np.arange(9)[None])[0]])).all()


def test_training_lowers_the_loss(images, taught):
    targets = targets_of(NUMBERS)
    with torch.no_grad():
        before, after = (float(one.loss(torch.from_numpy(images), targets)) for one in (Student(), taught))
    assert after < before


def test_accuracies_count_only_what_is_there(images):
    targets = targets_of(NUMBERS)
    student = Student()
    perfect = {
        group: {
            name: nn.functional.one_hot(found.clamp(min=0), student.read(torch.zeros(1, 37, 96))[group][name].shape[-1])
            for name, found in part.items()
        }
        for group, part in targets.items()
    }
    student.read = lambda _tokens: {g: {k: 9.0 * v for k, v in part.items()} for g, part in perfect.items()}
    report = student.accuracies(torch.zeros(64, 37, 96), targets)
    shares = [report["scenes"], *(v for g in ("token", "cell", "print", "whole") for v in report[g].values())]
    assert set(shares) == {1.0}
    perfect["cell"]["kind"] = perfect["cell"]["kind"].flip(-1)  # every kind wrong, and "empty", too
    report = student.accuracies(torch.zeros(64, 37, 96), targets)
    assert (report["scenes"], report["cell"]["empty"], report["cell"]["colour"]) == (0.0, 0.0, 1.0)


def told(numbers):
    """Scenes whose tokens say their labels outright: features of width 48, with the labels."""
    shows = [one for one in map(pictures.shown, numbers) if isinstance(one, Scene)]
    cells = labels.cell_labels(shows)
    places = torch.from_numpy(labels.to_patches(np.arange(9)[None]))
    parts = [nn.functional.one_hot(places, 9).expand(len(shows), -1, -1)]
    for name in ("kind", "colour", "size", "order"):
        parts.append(nn.functional.one_hot(torch.from_numpy(labels.to_patches(cells[name])), labels.CELL[name]))
    joined = torch.cat(parts, -1)
    tokens = nn.functional.pad(joined, (0, 48 - joined.shape[-1], 1, 0)).float() * 4
    return tokens, cells, labels.whole_labels(shows)


def test_a_probe_reads_tokens_that_tell():
    read = probe(told(range(400)), told(range(400, 460)), steps=80, batch=8)
    assert read["shape kind"] > 0.4  # one of six by chance; 600 steps read nearly all
    assert {"cell kind", "shape place", "shape, all", "count star", "seconds"} <= set(read)


def test_muon_makes_the_steps_of_torch():
    torch.manual_seed(0)
    start = [torch.randn(12, 8), torch.randn(8, 12), torch.randn(12, 8)]
    gradients = [torch.randn(2, *one.shape) for one in start]
    ours, theirs = ([nn.Parameter(one.clone()) for one in start] for _ in range(2))
    muon = Muon(ours, rate=0.1, weight_decay=0.1)
    torchs = torch.optim.Muon(theirs, lr=0.1, weight_decay=0.1)
    for turn in range(2):
        for mine, other, gradient in zip(ours, theirs, gradients, strict=True):
            mine.grad, other.grad = gradient[turn].clone(), gradient[turn].clone()
        muon.step()
        torchs.step()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, atol=0.01, rtol=0.0)  # torch rounds to bfloat16


def test_muon_steps_queries_keys_and_values_apart_and_kernels_as_matrices():
    torch.manual_seed(0)
    fused, kernel = nn.Parameter(torch.zeros(24, 8)), nn.Parameter(torch.zeros(8, 3, 2, 2))
    muon = Muon([kernel], [fused], rate=1.0)
    fused.grad, kernel.grad = torch.randn(24, 8), torch.randn(8, 3, 2, 2)
    fused.grad[:8] *= 1000  # a part's size means nothing
    muon.step()
    for part in (*fused.view(3, 8, 8), kernel.flatten(1)):
        assert 0.3 < torch.linalg.svdvals(part).min() <= torch.linalg.svdvals(part).max() < 1.3
    assert not orthogonal(torch.zeros(1, 4, 4)).any()
    muon.zero_grad()
    assert fused.grad is None
