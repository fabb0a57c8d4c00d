"""The functions of the public Python API that combine several parts; `import ib_data` provides them by name.

build       official files to shards, like the verb `build`
open_split  one built split, in a home or an object store
render      an annotation to instruction and target
evaluate    scores of any model on built datasets
query       SQL over the catalog
"""
