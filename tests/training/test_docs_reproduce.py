"""The numbers of docs/reproduce.md are those of the code."""

import re
from pathlib import Path

import pytest

from ib_data.cards import load_card
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.spec.weights import expected_samples
from ib_data.training.config.config_file import config_names, load_config
from ib_data.training.estimate.flops import Row, step_flops
from ib_data.training.estimate.parts import parts_of
from ib_data.training.estimate.shapes import named_config, named_like

PAGE = (Path(__file__).parents[2] / "docs" / "reproduce.md").read_text(encoding="utf-8")
# Tokens of instruction and target by what the task asks for, and annotations of an image: as the page says.
LENGTHS = {"captioning": (20, 15), "answering": (20, 5), "generation": (20, 12), "llava": (40, 80)}
PER_IMAGE = {"coco_caption": 5, "textcaps": 5, "vqav2": 5.4, "vqav2_qg": 5.4, "ocrvqa": 4.8}


def rows_under(heading: str) -> list[list[str]]:
    _, found, rest = PAGE.partition(f"## {heading}\n")
    assert found
    lines = [line for line in rest.split("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def shares(mixture: str) -> dict[str, float]:
    return {name: count / 1e6 for name, count in expected_samples(load_mixture(mixture), 1_000_000).items()}


def row_of(name: str) -> Row:
    task = load_card(name).task
    instruction, target = next(lengths for part, lengths in LENGTHS.items() if part in task)
    return Row(instruction=instruction, target=target, qformer=instruction)


def images_a_sample(mixture: str) -> float:
    return sum(share / PER_IMAGE.get(name, 1) for name, share in shares(mixture).items())


@pytest.mark.parametrize("row", rows_under("GPU-hours"), ids=lambda row: row[0])
def test_the_gpu_hours_are_counted(row: list[str]) -> None:
    config = load_config(row[0].strip("`"))
    name = named_like(config.model)
    assert name
    parts = parts_of(named_config(name))
    counted = {member: step_flops(parts, [row_of(member)]) for member in shares(config.mixture)}
    total = sum(share * counted[member].total for member, share in shares(config.mixture).items())
    vision = next(iter(counted.values())).vision
    samples = config.steps * config.batch_size
    expected = [f"{samples / 1e6:.2f}M", f"{total / 1e12:.2f}"]
    for rate in (400e12, 800e12):
        for encoded in (1, images_a_sample(config.mixture), 0):
            expected.append(f"{samples * (total - vision + encoded * vision) / rate / 3600:.1f}")
    assert row[1:] == expected


def test_the_shares_of_images_and_the_speed_are_counted() -> None:
    encoded, without = re.search(r"(\d+)\s+encodings for 100 annotations, and (\d+) without", PAGE).groups()
    assert (int(encoded), int(without)) == tuple(
        round(100 * images_a_sample(mixture)) for mixture in ("instructblip", "held-in-available")
    )
    speed = int(re.search(r"takes (\d+)\s+samples a second", PAGE)[1])
    assert speed == pytest.approx(400 / float(rows_under("GPU-hours")[0][2]), rel=0.01)


def test_every_packaged_configuration_is_on_the_page() -> None:
    listed = {name for cells in rows_under("5. Train") for name in re.findall(r"`([\w-]+)`", cells[0])}
    assert listed == set(config_names())
