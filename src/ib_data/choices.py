"""What `stream` and a training configuration may choose about pictures and copies of shards.

They stand here and not beside the code that does it: that loads numpy and Pillow, 0.3 s of a `--help`.
"""

# How pictures become small: as Pillow does it, or resized by torch, large JPEGs shrunk by their decoder first.
DECODES = ("exact", "fast")
# How training crops pictures: not at all, or as one of the published augmentations, see `src/ib_data/media/augment.py`.
AUGMENTS = ("none", "mild", "blip2", "blip")
MAX_IMAGE_PX = 4096
# What a run may keep of an object store's shards on the local disk, where nothing else is said.
DEFAULT_CACHE_BYTES = 64 * 10**9
