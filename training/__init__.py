"""Tunes the Q-Former on a mixture, with a frozen vision encoder and language model; resumes to the last bit.

config/           the configuration of a run
trainer           the training loop; run: the state of a run in memory
step              learning rate, loss, optimiser
collator          examples to tensors; tokens: the tokenizers
model             InstructBLIP, what is frozen, features and logits
text_pretraining  text-only pretraining of the tiny language model
checkpoint        saves and loads a run; record: checksums of its files; log: `log.jsonl`
generate          answers of a trained model
media_kinds       checks that members have images; extras: checks that packages are installed
"""
