"""Mixtures of datasets.

spec      specs and weights
order     the computed order of draws
stream    positions to examples
loader    the stream as PyTorch batches
bridges   built data in `webdataset` and `datasets` pipelines
catalog   the SQL catalog
"""

from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.spec.spec_file import load_mixture, mixture_names
from ib_data.mixtures.spec.weights import quotas, weights

__all__ = ["Member", "Mixture", "load_mixture", "mixture_names", "quotas", "weights"]
