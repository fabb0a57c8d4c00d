"""How the miniature's frozen parts are made.

slots        facts as vectors of a soft prompt
exercise     an annotation of one of the product's datasets, with the facts that decide it
scene_exercises  what is asked and told about scenes
exercises    the same about scenes, signs, covers and clips
texts        the corpus: exercises as instructions and targets
vocabulary   the two tokenizers of the corpus
recitals     dense rows that teach a language model to look up
reading      rows of ids, and batches of them with slots
start_values language models with start values that make looking up learnable
muon         the optimizer of their matrices
lessons      the stages of training
scores       right answers by kind of exercise
language     makes and loads the causal and the encoder-decoder language model
"""
