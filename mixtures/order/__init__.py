"""The order of a mixture as arithmetic.

permutation    a keyed bijection on [0, N)
block_shuffle  an epoch's order for remote shards
schedule       position -> (member, rank, epoch, index)
units          sampling units: an annotation, a conversation or an image
"""
