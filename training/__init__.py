"""Tuning the Q-Former on a mixture: frozen vision encoder and language model, resumable to the last bit.

config            what a run is told; configs/: packaged ones
trainer           the loop
run               a run in memory: new, or from its newest checkpoint
step              one step: learning rate, loss, optimiser
collator          examples to a batch of tensors; media_kinds: whether a mixture brings images
model             InstructBLIP from the modules of transformers
tokens            tiny tokenizers; text_pretraining: a tiny language model
checkpoint        what is kept of a run; record: size and checksum of each of its files
log               a line a step
generate          answers of a trained model
extras            whether the `train` extra is installed
"""
