"""Homes and mixtures of runs that are scored by the metrics of their datasets."""

import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from toy_training import silent, toy_config

from ib_data.evaluation.decoding import Decoding
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.home import Home
from ib_data.training.config.train_config import TrainConfig
from ib_data.training.loop import scoring
from ib_data.training.loop.trainer import Outcome, train

NAMES = ("vqav2", "vqav2_qg", "coco_caption", "llava_detail", "okvqa")


def scored_home(home: Home, build: Any, picture: Any) -> Home:
    """What a scoring asks of the first three of NAMES, llava_detail's only split, and okvqa's training split alone."""
    splits = {"vqav2": "validation", "coco_caption": "test"}
    for dataset in ("vqav2", "coco_caption", "llava_detail", "okvqa"):
        build(home, dataset, 4, picture=picture)
    for dataset, split in splits.items():
        build(home, dataset, 6, split, picture=picture)
    return home


def mixture(folder: Path, *names: str) -> str:
    """A spec file with the training splits of datasets."""
    folder.mkdir(exist_ok=True)
    members = "".join(f'[[members]]\ndataset = "{name}"\nsplit = "train"\nsize = 8\n' for name in names)
    (folder / "some.toml").write_text(f'rule = "uniform"\n{members}')
    return str(folder / "some.toml")


def scored_config(folder: Path, names: tuple[str, ...] = NAMES, **changes: Any) -> TrainConfig:
    """Two steps, with three questions of each dataset after both."""
    small = {"steps": 2, "warmup_steps": 1, "batch_size": 4, "score_every": 1, "scoring_samples": 3}
    return toy_config(**{"mixture": mixture(folder, *names), **small, **changes})


def run_scored(config: TrainConfig, home: Home, out: Path, say: Any = silent) -> Outcome:
    """`train`, whose answers have four tokens at most: those of LLaVA may have 256."""

    def short(protocol: Protocol, **_given: bool) -> Decoding | None:
        return None if protocol.method == "rank" else Decoding(num_beams=2, max_new_tokens=4)

    with patch.object(scoring, "decoding_of", short):
        return train(config, home, out, say)


def score_rows(out: Path) -> list[dict[str, Any]]:
    """The lines of scorings in a log."""
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [row for row in rows if "scores" in row]


def main() -> None:
    """What one of several processes runs. Arguments: a home, and a JSON list of [folder, changes]."""
    import torch.distributed

    torch.distributed.init_process_group("gloo")  # once: torch cannot reconnect the processes after FSDP2
    for folder, changes in json.loads(sys.argv[2]):
        rank = torch.distributed.get_rank()
        config = scored_config(Path(f"{folder}-spec-{rank}"), **changes)
        run_scored(config, Home(Path(sys.argv[1])), Path(folder))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
