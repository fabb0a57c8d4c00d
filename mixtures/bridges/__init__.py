"""What is built, for pipelines that people already have.

members         what a name stands for: one split, or the members of a mixture with their weights
to_webdataset   a `webdataset` pipeline
to_datasets     a `datasets` dataset: map-style over a split, iterable over a mixture
image_places    images in their shards as addresses that `datasets` opens
sliced_stream   a stream that workers and ranks of `datasets` share
"""
