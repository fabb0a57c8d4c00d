"""The stream of examples that a training run receives.

stream          positions to examples; state: resuming
parts           what is built of the members
part            a member as a stream reads it, and a draw of it
example_reader  shards read, instructions rendered, pixels decoded
example         what a stream gives
quarantine      samples that could not be used
drawing         the drawn sequence as a table
"""
