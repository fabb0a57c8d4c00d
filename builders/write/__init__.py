"""Rows to shards.

opened         a build that is ready to run: fetcher, folders, options
build          the whole build of one split
build_options  what a user may choose
plan           every sample in key order, and every row left out
placing        where the media of the plan are; stated_size: whether an image has the stated size
shard_writer   one tar, its index rows and its drops
staging        the folder of a build in progress
existing       whether a build is already there; unchanged: told without reading rows
check          whether a built split is what its manifest says
dry_run        what a build would fetch and read
"""
