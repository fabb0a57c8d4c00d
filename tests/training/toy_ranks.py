"""What one of several processes runs: toy runs under torchrun. Arguments: a JSON list of [folder, changes]."""

import json
import sys
from pathlib import Path

import torch.distributed
from toy_training import ToyStream, silent, toy_config, train_on

from ib_data.errors import IbDataError
from ib_data.training.loop import losses


def main() -> None:
    torch.distributed.init_process_group("gloo")  # once: torch cannot reconnect the processes after FSDP2
    stream = ToyStream(**json.loads(sys.argv[2]))
    real = losses.target_losses

    def target_losses(model, batch, features):
        if stream.fail_at in batch.positions.tolist():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(model, batch, features)

    losses.target_losses = target_losses
    for folder, changes in json.loads(sys.argv[1]):
        try:
            train_on(toy_config(**changes), stream, Path(folder), silent)
        except IbDataError as error:
            sys.exit(f"ib-data: {error}")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
