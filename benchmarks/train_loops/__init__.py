"""The training loops that `train_gpu.py` compares, and what they train on."""
