"""The miniature: a drawn world, and a mirror of the official files that are about it.

mirror    draws the official files of the datasets that are asked for; server: serves them to the downloader
world/    the drawn world: scenes, what is asked and said about them, images and clips
NAME      the official files of the dataset NAME in their official forms (`llava` is that of all three parts)
"""

from ib_data.builders.miniature.mirror import write_mirror

__all__ = ["write_mirror"]
