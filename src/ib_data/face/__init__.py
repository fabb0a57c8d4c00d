"""The functions of the public face that put several parts together; `import ib_data` gives them by name.

build       official files to shards: what the verb `build` does
open_split  one split that is built, in a home or an object store
render      one annotation to instruction and target
query       SQL over the catalog
"""
