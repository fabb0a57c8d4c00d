"""What one of several processes runs: toy runs under torchrun. Arguments: a JSON list of [folder, changes]."""

import json
import sys
from pathlib import Path

import torch.distributed
from toy_training import ToyStream, silent, toy_config, train_on

from ib_data.errors import IbDataError


def main() -> None:
    torch.distributed.init_process_group("gloo")  # once: torch cannot reconnect the processes after FSDP2
    for folder, changes in json.loads(sys.argv[1]):
        try:
            train_on(toy_config(**changes), ToyStream(**json.loads(sys.argv[2])), Path(folder), silent)
        except IbDataError as error:
            sys.exit(f"ib-data: {error}")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
