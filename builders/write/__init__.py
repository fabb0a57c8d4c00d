"""Rows to shards.

opened         a build that is ready to run: fetcher, folders, options
build          the whole build of a dataset, split by split
build_context  what one run works with; build_options: what a user may choose
split_choice   which form and which splits are built
needs          what must be fetched by hand, and how many bytes will come, told before the first byte
plan           every sample in key order, and every row left out
placing        where the media of the plan are; stated_size: whether an image has the stated size
shard_writer   one tar, its index rows and its drops
staging        the folder of a build in progress; worker_processes: what writes its shards
existing       whether a build is already there; unchanged: the same, without reading rows
check          whether a built split is what its manifest says
dry_run        what a build would fetch and read
"""
