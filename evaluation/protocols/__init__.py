"""How each dataset is evaluated, as its card says.

protocol   split, method, metric, decoding and candidates of one evaluation
read       the protocol of a dataset from its card
"""
