"""How the miniature's frozen parts are made.

slots        facts as vectors of a soft prompt
exercises    what is asked and told about drawn images, as the annotations of the product's datasets, with facts
texts        the corpus: exercises as instructions and targets
vocabulary   the two tokenizers of the corpus
recitals     dense rows that teach a language model to look up
reading      rows of ids, and batches of them with slots
scores       right answers by kind of exercise
language     trains the causal and the encoder-decoder language model
"""
