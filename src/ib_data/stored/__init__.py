"""Reading built splits: manifest, index and shards, in a home or in an object store.

built_split     a built split, opened: annotations, samples, media, batches; all other code reads splits through it
not_built       the message for a split that is not built
manifest        `manifest.json`: counts, checksums, recipe; a split without it is not built
index           `index.parquet` and `drops.parquet`: schemas, rows, extents
index_file      opens both files and reports what is wrong with them
rows, rows_file the index as a memory-mapped file
conversations   which annotations end a conversation
visible_fields  which fields of an annotation templates see
sample_ref      where a sample is
sample_reader   a sample in the bytes of its range
shard_reader    reads many extents at once from shards that stay open
store           shards in a home; remote, shard_cache, urls: in an object store
verified        whether a shard changed since its build
meter           where reading spends its time
"""
