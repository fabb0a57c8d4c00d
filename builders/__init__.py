"""Official rows to samples to shards: one small file a dataset, and the machinery they share.

all         the table of all builders
NAME        the builder of the dataset NAME
formats/    file forms that several builders share
source/     official bytes to rows
write/      rows to shards
miniature/  a drawn world in the official forms

Nothing is imported here: `ib-data list` only reads manifests, and importing all builders costs it 15 ms of its 75.
"""
