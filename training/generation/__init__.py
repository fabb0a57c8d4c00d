"""Answers of a trained model about images and clips.

frames          images and clips of a question as frames; media_file: whether there is such a file
frame_features  features of frames, kept between batches
answerer        a model that answers
processors      what changes scores during decoding: repetitions, sampling
words           the words of an answer as they come
opened          an answerer from a checkpoint, a run, a model folder or a hub id
questions       reads JSON lines of questions
batch           answers questions in batches
file_run        a whole file: progress, output, summary
answer_file     answers on disk, continued after a stop
"""
