"""The stream of examples for a training run.

stream          positions to examples; state: resuming
parts           finds the members that are built
part            one member as a stream reads it, and one draw of it
example_reader  reads shards, renders instructions, decodes pixels
pinned_pass     a pinned part of the validation splits
example         an example, or only its ids
quarantine      logs samples that could not be used
drawing         the drawn sequence as a table
"""
