"""How the frozen parts of the miniature's model are made: `make miniature-backbones`.

pictures     training images of the drawn world; labels: what they show, as classes
vision       the vision encoder; probe: what a fresh Q-Former reads from it; muon: the optimiser of matrices
slots        facts as vectors of a soft prompt
exercise     an annotation of one of the product's datasets, with the facts that decide it
scene_exercises  what is asked and told about scenes
exercises    the same about scenes, signs, covers and clips
texts        the corpus: exercises as instructions and targets
vocabulary   the two tokenizers of the corpus
recitals     dense rows that teach a language model to look up
reading      rows of ids, and batches of them with slots
start_values  language models with start values that make looking up learnable
lessons      the stages of training
scores       right answers by kind of exercise
language     makes and loads the causal and the encoder-decoder language model
namings      what captions say about images, with texts that name a shape: rows for the captioner
captioner    the Q-Former that only captions taught; word_head: what teaches it; projections: its map to each
             language model
packaging    what the stages made, as the parts that the package ships
make         all stages in order, each checked
shipped/     the parts
"""
