"""The order of a mixture, computed from integers without a stored table of positions.

permutation    a keyed bijection on [0, N)
block_shuffle  the order of an epoch for remote shards
master_table   one cycle of labels, as even as possible
schedule       position -> (member, rank, epoch, index)
units          sampling units: an annotation, a conversation or an image
"""
