"""Tunes the Q-Former on a mixture, with a frozen vision encoder and language model; resumes to the last bit.

config/       the configuration of a run; configs/: the packaged ones
weights/      model folders on disk
model/        a model in memory, and its forward pass
batch/        examples to tensors
estimate/     what a run costs, from shapes alone
loop/         the training loop and what it calls
generation/   answers of a trained model
extras        checks that packages are installed
"""
