"""The suite runs a process a core: a second torch thread in each would only wait for the first."""

import torch

torch.set_num_threads(1)
