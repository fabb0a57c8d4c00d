"""Official rows to samples to shards: one small file a dataset, and the machinery they share.

The table of all builders stands in `all.py`, not here: importing them costs `ib-data list`, which only reads manifests,
15 ms of its 75.
"""
