"""The tables of papers as data, and how each published number differs from an evaluation.

tables       reads the tables: one .toml file each
differences  the published numbers of a dataset beside its own
"""
