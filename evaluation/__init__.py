"""Scores of predictions by the official rules of each dataset; imports neither torch nor training.

protocols/  how each dataset is evaluated: split, method, metric, candidates; choices: the values they allow
case        one question with its gold annotations, and what was predicted
answering   what a model is asked and what it gives back; decoding: how it generates
metrics/    pure functions: predictions and references to scores
scoring/    cases and predictions to scores
run/        a model on a split: questions, answers on disk, scores
report/     what is written and compared
results/    files of predictions: official formats, plain ones, what servers want
"""
