"""Metrics: pure functions of aligned predictions and references, one file each.

scores     the result of every metric
captions/  CIDEr-D, BLEU, ROUGE-L and their tokeniser
"""
