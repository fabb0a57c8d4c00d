"""The frozen vision encoder's features of images on disk, so that an image is encoded once in all runs.

cached   features of a batch of images: from the cache, the missing ones encoded in one call
cache    the files on disk: bounded, shared by processes, never in the way
entry    the bytes of one file
encoder  the fingerprint of the encoder that a folder of features belongs to
"""
