"""Model folders on disk.

folder   a model folder: what it holds, and whether it is whole
"""
