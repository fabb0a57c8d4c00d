"""Mixtures of datasets: specs, weights, the order that is arithmetic, the stream over shards, and the SQL catalog.

NAME.toml  the packaged mixtures
spec/      what a mixture is: members, pinned sizes, weights
order/     positions to members and indices
stream/    positions to examples
loader/    the stream in PyTorch
bridges/   what is built, for `webdataset` and `datasets`
catalog/   `catalog.duckdb`: what is built and what is mixed, in SQL
"""
