"""Mixtures of datasets: specs, weights, the computed order, the stream over shards, bridges, and the SQL catalog."""

from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.spec.spec_file import load_mixture, mixture_names
from ib_data.mixtures.spec.weights import quotas, weights

__all__ = ["Member", "Mixture", "load_mixture", "mixture_names", "quotas", "weights"]
