"""An InstructBLIP in memory, composed of transformers' own modules.

parts            what trains and what is frozen, and in which precision
load             a model folder as a model; quiet: without transformers' own output; compiled: torch.compile
forward          features, soft prompt, logits at the targets
random_values    random values for a whole model
tiny_folder      tiny model folders
"""
