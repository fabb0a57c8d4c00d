"""Built data in `webdataset` and `datasets` pipelines.

members         resolves a name: one split, or the members of a mixture with their weights
to_webdataset   a `webdataset` pipeline
to_datasets     a `datasets` dataset: map-style over a split, iterable over a mixture
image_places    addresses of images in shards that `datasets` can open
sliced_stream   a stream that is divided among workers and ranks of `datasets`
"""
