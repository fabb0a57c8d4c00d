"""Text to token ids.

tokenizers        the two tokenizers of a model folder
word_tokenizers   tiny tokenizers built from texts
"""
