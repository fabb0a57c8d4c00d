"""How long rendered texts are.

counting      renders a built split and counts
token_counts  tokens of a text in a model's vocabulary
stats_file    `templates-DATASET.json`, kept beside the shards
"""
