"""Statistics of the lengths of rendered texts.

counting      renders a built split and counts lengths
token_counts  counts the tokens of a text
stats_file    `templates-DATASET.json`, stored next to the shards
"""
