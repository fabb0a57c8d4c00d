"""Tunes the Q-Former on a mixture, with a frozen vision encoder and language model; resumes to the last bit.

config/       the configuration of a run; configs/: the packaged ones
weights/      model folders on disk
text/         text to token ids
batch/        examples to tensors
model/        a model in memory, and its forward pass
backbones/    how the frozen parts of the miniature are made
features/     vision features kept on disk
estimate/     operations, memory and time of a run; `--dry-run`
loop/         the training loop and what it calls
generation/   answers of a trained model
ranking/      log-likelihoods of candidate answers
answering     a model as evaluation asks it
export/       a tuned run as a complete model folder
extras        checks that packages are installed
"""
