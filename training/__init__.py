"""Tuning the Q-Former on a mixture: frozen vision encoder and language model, resumable to the last bit."""
