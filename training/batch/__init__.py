"""Examples of the stream to the tensors of a training step; runs in the loading workers.

batch      the tensors of a step
row        one annotation as token ids
collator   the examples of a step to micro-batches
padding    rows of token ids to rectangular tensors
"""
