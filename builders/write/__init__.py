"""Rows to shards.

opened         opens a build: fetcher, folders, options
build          builds a dataset, split by split
build_context  the home, sources and options of one run; build_options: the options
split_choice   which form and which splits to build
needs          before the first byte: files to fetch by hand, and the size of the download
plan           all samples in key order, and all dropped rows
placing        finds the media of the plan; stated_size: whether an image has the stated size
shard_writer   writes one tar, its index rows and its drops
staging        the folder of a build in progress; worker_processes: the processes that write its shards
existing       compares with an earlier build; unchanged: the same, without reading rows
check          verifies a built split against its manifest
dry_run        what a build would read and fetch
"""
