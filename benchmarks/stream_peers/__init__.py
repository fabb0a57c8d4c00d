"""The peers of the streaming benchmark: one small file each, over the same corpus."""
