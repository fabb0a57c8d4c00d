"""A run: what is asked, the answers on disk, and their scores.

run               a model on the split of a dataset
cases             the questions of a split, with prompts and candidates
vocabulary        the answers of a training split
images            images as pixels, or those of other examples
asking            batches, and what a model answers
about_build       what a report says about the build
leakage           what of a split the model was trained on
several           a run over several datasets, and its report
prediction_files  predictions on disk, continued after a stop
"""
