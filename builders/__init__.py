"""Official rows to samples to shards: one small file a dataset, and the machinery they share."""
