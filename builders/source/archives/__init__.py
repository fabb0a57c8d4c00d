"""Zip and tar archives, read in place without unpacking.

archive    the members of an archive and their bytes
tar_file   the member table of a tar
unpacking  a compressed file as a seekable stream
"""
