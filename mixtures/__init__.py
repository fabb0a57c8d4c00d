"""Mixtures of datasets: specs, weights, the order that is arithmetic, the stream over shards, and the SQL catalog.

NAME.toml  the packaged mixtures
spec/      what a mixture is: members, pinned sizes, weights
order/     positions to members and indices
stream/    positions to examples
loader/    the stream in PyTorch
bridges/   what is built, for `webdataset` and `datasets`
catalog/   `catalog.duckdb`: what is built and what is mixed, in SQL
"""

from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.spec.spec_file import load_mixture, mixture_names
from ib_data.mixtures.spec.weights import quotas, weights

__all__ = ["Member", "Mixture", "load_mixture", "mixture_names", "quotas", "weights"]
