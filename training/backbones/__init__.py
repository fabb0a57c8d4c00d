"""How the frozen parts of the miniature's model are made: `make miniature-backbones`.

slots       facts to slot vectors, the language models' way to read an image
pictures    training images of the drawn world; labels: what they show, as classes
vision      the vision encoder; probe: what a fresh Q-Former reads from it; muon: their optimiser
texts       texts about what images show, with the facts that decide them
vocabulary  both tokenizers
language    the language models, of both families
captioner   the Q-Former that only captions taught
make        all stages in order, each checked
"""
