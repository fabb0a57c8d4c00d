"""The vision encoder: InstructBlipVisionModel, taught what every token shows.

A token alone tells what its cell holds, and where the cell is. The class token has what the image shows as a whole. The
linear heads that read the labels are thrown away: what counts is what a fresh Q-Former reads (`probe`).

Ten of the 96 values of a token are its place: one each for the nine cells, set by the position embedding, and one for
the class token. No layer writes there, and a term of the loss keeps their size at the output. Otherwise the place is so
faint behind the last norm that a cross-attention finds a cell slowly.
"""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from torch import Tensor, nn
from transformers import InstructBlipVisionConfig, InstructBlipVisionModel

from ib_data.builders.miniature.world.scene import Scene
from ib_data.media.normalised import normalised
from ib_data.mixtures.loader.torch_defaults import float32_on_cpu, one_thread
from ib_data.replacing import replacing
from ib_data.training.backbones import labels, pictures
from ib_data.training.backbones.labels import CELL, IGNORED, NUM_CELLS, PRINT, SIDE, WHOLE
from ib_data.training.backbones.muon import Muon
from ib_data.training.backbones.probe import probe

FILE = "vision.safetensors"
WIDTH, NUM_LAYERS, NUM_HEADS, MLP_WIDTH, PATCH_PX = 96, 3, 4, 192, 16
STEPS = 3000
_PREFIX = "vision_model."
_SEED, _BATCH, _WARM_UP = 0, 64, 100
_MUON_RATE, _ADAM_RATE, _WEIGHT_DECAY = 0.01, 2e-3, 0.05
_NUM_PLACES = NUM_CELLS + 1
_PLACE_IN, _PLACE_OUT, _PLACE_WEIGHT = 4.0, 6.0, 0.1  # of a token's own place; its other nine are 0
_CELL_WEIGHTS = {"kind": 2.0, "colour": 1.0, "size": 1.0, "order": 0.5, "alike": 0.5}
_WEIGHTS = {
    "cell": _CELL_WEIGHTS,
    "print": dict.fromkeys(PRINT, 0.3),
    "whole": dict.fromkeys(WHOLE, 0.2),
}
_CLASSES = {"cell": CELL, "print": PRINT, "whole": WHOLE}
_NUM_PROBED = 6600  # of which 5,000 are scenes

Targets = dict[str, dict[str, Tensor]]
"""Class numbers by group and label: int64 (N, 36) of patches for "cell" and "print", (N,) for "whole"."""


def make(
    out: Path, *, steps: int = STEPS, num_training: int = pictures.NUM_TRAINING, num_processes: int = 1
) -> dict[str, Any]:
    """Write `out`/vision.safetensors and return the report: accuracies on unseen images, and CPU seconds.

    The images are kept in `out`, too. On one machine with one version of torch the bytes are the same each time, since
    it runs with one thread: the order of sums depends on the number of threads.
    """
    start = time.process_time()
    numbers = range(num_training), range(pictures.NUM_TRAINING, pictures.NUM_TRAINING + pictures.NUM_TEST)
    images, unseen = (pictures.all_drawn(out, part, num_processes=num_processes) for part in numbers)
    targets, unseen_targets = (targets_of(part) for part in numbers)
    begin = time.process_time()
    with float32_on_cpu(), torch.random.fork_rng(devices=[]), one_thread():
        student = Student()
        train(student, images, targets, steps)
        student.save(out / FILE)
        trained = time.process_time()
        encoder = load_encoder(out / FILE)  # the report is about what was written, in float16
        report = student.accuracies(features(encoder, unseen), unseen_targets)
        probed = [_scenes(encoder, images[:_NUM_PROBED], numbers[0]), _scenes(encoder, unseen, numbers[1])]
        report["probe"] = probe(*probed)
    return report | {
        "steps": steps,
        "image seconds": round(begin - start, 1),
        "seconds": round(trained - begin, 1),
    }


def vision_config() -> Any:
    """The configuration of the miniature's vision encoder."""
    return InstructBlipVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=MLP_WIDTH,
        num_hidden_layers=NUM_LAYERS,
        num_attention_heads=NUM_HEADS,
        image_size=pictures.IMAGE_PX,
        patch_size=PATCH_PX,
    )


def load_encoder(path: Path) -> Any:
    """The encoder in a file that `make` wrote: float32, frozen, in evaluation mode."""
    encoder: Any = InstructBlipVisionModel(vision_config())
    encoder.load_state_dict({name.removeprefix(_PREFIX): value.float() for name, value in load_file(path).items()})
    return encoder.eval().requires_grad_(False)


@torch.no_grad()
def features(encoder: Any, images: NDArray[np.uint8], batch: int = 250) -> Tensor:
    """float32 (N, 37, 96): the tokens of `images`, uint8 (N, 96, 96, 3)."""
    parts = [torch.from_numpy(images[start : start + batch].copy()) for start in range(0, len(images), batch)]
    return torch.cat([encoder(normalised(part)).last_hidden_state for part in parts])


def targets_of(numbers: range) -> Targets:
    """What the tokens of these images are to tell."""
    shows = [pictures.shown(number) for number in numbers]
    return {
        "cell": {k: torch.from_numpy(labels.to_patches(v)) for k, v in labels.cell_labels(shows).items()},
        "print": {k: torch.from_numpy(labels.to_patches(v)) for k, v in labels.print_labels(shows).items()},
        "whole": {k: torch.from_numpy(v) for k, v in labels.whole_labels(shows).items()},
    }


class Student(nn.Module):
    """The encoder with its start values, and a linear head for each group of labels."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder: Any = InstructBlipVisionModel(vision_config())
        self.heads = nn.ModuleDict({group: nn.Linear(WIDTH, sum(spec.values())) for group, spec in _CLASSES.items()})
        cells = labels.to_patches(np.arange(NUM_CELLS)[None])[0]
        places = torch.tensor([NUM_CELLS, *cells])
        self.places = nn.functional.one_hot(places, _NUM_PLACES).float()  # (37, 10)
        self._fill()
        self._reserve_places()

    @torch.no_grad()
    def _fill(self) -> None:
        generator = torch.Generator("cpu").manual_seed(_SEED)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif parameter.dim() > 1:
                spread = {"encoder.embeddings.class_embedding": 0.5, "encoder.embeddings.position_embedding": 0.3}
                fan_in = parameter[0].numel()
                default = 0.02 if name.startswith("heads") else 0.7 / math.sqrt(fan_in)
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread.get(name, default))
        # Equal queries and keys: the tokens of a cell look at each other from the first step.
        attention = self.encoder.encoder.layers[0].self_attn.qkv.weight
        attention[WIDTH : 2 * WIDTH] = attention[:WIDTH]

    @torch.no_grad()
    def _reserve_places(self) -> None:
        """Write the places into the position embedding, and keep all other parameters from ever writing there."""
        embeddings, layers = self.encoder.embeddings, self.encoder.encoder.layers
        kept = torch.ones(WIDTH)
        kept[:_NUM_PLACES] = 0
        writers = [embeddings.patch_embedding, *(layer.self_attn.projection for layer in layers)]
        writers += [layer.mlp.fc2 for layer in layers]
        for writer in writers:
            for parameter in (writer.weight, writer.bias):
                _keep(parameter, kept.view(-1, *[1] * (parameter.dim() - 1)))
        for parameter in (embeddings.class_embedding, embeddings.position_embedding):
            _keep(parameter, kept)
        embeddings.position_embedding[0, :, :_NUM_PLACES] = self.places * _PLACE_IN

    def loss(self, images: Tensor, targets: Targets) -> Tensor:
        """The weighted sum of the cross-entropies of all labels, and the error of the places."""
        tokens = self.encoder(normalised(images)).last_hidden_state
        error = (tokens[..., :_NUM_PLACES] - _PLACE_OUT * self.places).square().sum(-1).mean()
        loss: Tensor = _PLACE_WEIGHT * error
        for group, logits in self.read(tokens).items():
            for name, values in logits.items():
                right = targets[group][name].flatten()
                entropy = nn.functional.cross_entropy(
                    values.reshape(len(right), -1), right, ignore_index=IGNORED, reduction="sum"
                )
                num_labels = (right != IGNORED).sum().clamp(min=1)  # a batch may lack signs or covers
                loss = loss + _WEIGHTS[group][name] * entropy / num_labels
        return loss

    def read(self, tokens: Tensor) -> dict[str, dict[str, Tensor]]:
        """Logits by group and label, from features (N, 37, 96): (N, 36, classes), or (N, classes) for "whole"."""
        found = {}
        for group, spec in _CLASSES.items():
            logits = self.heads[group](tokens[:, 0] if group == "whole" else tokens[:, 1:])
            found[group] = dict(zip(spec, logits.split(list(spec.values()), -1), strict=True))
        return found

    @torch.no_grad()
    def accuracies(self, tokens: Tensor, targets: Targets) -> dict[str, Any]:
        """Shares of right answers by group and label, read by the own heads.

        Of cells, only those with a shape count, except for "empty"; "token" is a patch alone, "cell" its four patches
        together. "scenes" are those with kind, colour and size of all nine cells right.
        """
        logits = self.read(tokens)
        report: dict[str, Any] = {"token": {}, "cell": {}}
        are_right = []
        for name, values in logits["cell"].items():
            wanted, together = targets["cell"][name], _by_cell(values.log_softmax(-1)).argmax(-1)
            by_cell = _by_cell(wanted[..., None]).squeeze(-1) // 4  # four equal numbers
            by_cell[_by_cell(wanted[..., None]).squeeze(-1) < 0] = IGNORED
            report["token"][name] = _share(values.argmax(-1) == wanted, wanted > 0)
            report["cell"][name] = _share(together == by_cell, by_cell > 0)
            if name in ("kind", "colour", "size"):
                are_right.append(together == by_cell)
            if name == "kind":
                report["cell"]["empty"] = _share(together == 0, by_cell == 0)
                is_scene = by_cell[:, 0] >= 0
        report["scenes"] = _share(torch.stack(are_right).all(0).all(-1), is_scene)
        for group in ("print", "whole"):
            report[group] = {
                name: _share(values.argmax(-1) == targets[group][name], targets[group][name] >= 0)
                for name, values in logits[group].items()
            }
        return report

    def save(self, path: Path) -> None:
        """Write the encoder's values as float16, under their names in InstructBlipForConditionalGeneration."""
        values = {_PREFIX + name: value.half().contiguous() for name, value in self.encoder.state_dict().items()}
        with replacing(path) as part:
            part.write_bytes(save(values))


def train(student: Student, images: NDArray[np.uint8], targets: Targets, steps: int) -> None:
    """`steps` steps of 64 images: Muon for the encoder's matrices, AdamW for the rest, cosine to 0. 0.18 s a step."""
    matrices = {
        name: p for name, p in student.encoder.named_parameters() if p.dim() in (2, 4)
    }  # the embeddings of positions and of the class token have three dimensions
    fused = [p for name, p in matrices.items() if ".qkv." in name]
    muon = Muon([p for name, p in matrices.items() if ".qkv." not in name], fused, rate=0.0, weight_decay=_WEIGHT_DECAY)
    is_matrix = {id(p) for p in matrices.values()}
    others = [p for p in student.parameters() if id(p) not in is_matrix]
    adam = torch.optim.AdamW(others, lr=0.0, betas=(0.9, 0.98), weight_decay=0.0)
    generator, order = np.random.Generator(np.random.PCG64(_SEED)), np.empty(0, dtype=np.int64)
    for step in range(steps):
        factor = min(1.0, (step + 1) / _WARM_UP) * (1 + math.cos(math.pi * step / steps)) / 2
        muon.rate, adam.param_groups[0]["lr"] = _MUON_RATE * factor, _ADAM_RATE * factor
        if len(order) < _BATCH:
            order = generator.permutation(len(images))
        chosen, order = order[:_BATCH], order[_BATCH:]
        part = {group: {name: v[chosen] for name, v in found.items()} for group, found in targets.items()}
        loss = student.loss(torch.from_numpy(images[chosen]), part)
        muon.zero_grad()
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(others, 1.0)
        muon.step()
        adam.step()


@torch.no_grad()
def _keep(parameter: nn.Parameter, kept: Tensor) -> None:
    """Set `parameter` to 0 where `kept` is 0, for good: its gradients are 0 there, too."""
    parameter.mul_(kept)
    parameter.register_hook(lambda gradient: gradient * kept)  # type: ignore[no-untyped-call]


def _by_cell(values: Tensor) -> Tensor:
    """(N, 9, ...) sums over the four patches of each cell, of (N, 36, ...)."""
    half = SIDE // 2
    return values.view(len(values), half, 2, half, 2, -1).sum((2, 4)).flatten(1, 2)


def _share(is_right: Tensor, counted: Tensor) -> float:
    return round(is_right[counted].double().mean().item(), 4)


def _scenes(encoder: Any, images: NDArray[np.uint8], numbers: range) -> tuple[Tensor, labels.Labels, labels.Labels]:
    """Features and labels of those images that show scenes."""
    shows = dict(enumerate(pictures.shown(number) for number in numbers[: len(images)]))
    scenes = {i: one for i, one in shows.items() if isinstance(one, Scene)}
    found = list(scenes.values())
    return features(encoder, images[list(scenes)]), labels.cell_labels(found), labels.whole_labels(found)
