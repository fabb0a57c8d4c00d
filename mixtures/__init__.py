"""Mixtures of datasets.

NAME.toml  the packaged mixtures
spec/      specs and weights
order/     the computed order of draws
stream/    positions to examples
loader/    the stream as PyTorch batches
bridges/   built data in `webdataset` and `datasets` pipelines
catalog/   the SQL catalog
"""
