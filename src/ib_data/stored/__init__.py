"""Reading what is built: a split with its manifest, its index and its shards, at home or in an object store.

built_split     a split that is built, opened: annotations, samples, media, batches; how all others read one
not_built       what to say where there is none
manifest        `manifest.json`: counts, checksums, recipe; without it nothing is built
index           `index.parquet` and `drops.parquet`: schemas, rows, extents
index_file      both files opened, and what is wrong with them
rows, rows_file the index as a memory-mapped file
conversations   which annotations end a conversation
visible_fields  which fields templates see of an annotation
sample_ref      where a sample is
sample_reader   a sample in the bytes of its range
shard_reader    many extents at once from shards that are kept open
store           shards in a home; remote, shard_cache, urls: in an object store
verified        whether a shard changed since it was built
meter           where the time of reading goes
"""
