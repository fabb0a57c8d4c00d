"""The stream of examples that a training run receives.

stream           positions to examples; state: resuming
stream_options   what a run may choose about its stream
parts            the members as a stream reads them
example_reader   shards read, instructions rendered, pixels decoded
example          what a stream gives
template_choice  the template of a position, from the index alone
quarantine       samples that could not be used
drawing          the drawn sequence as a table
"""
