"""The miniature: drawn images with true texts, as a mirror of the official files.

mirror    draws the official files of the requested datasets; server: serves them to the downloader
world/    the drawn world: scenes, questions and sentences about them, images and clips
NAME      the official files of the dataset NAME in their official formats (`llava`: all three parts)
"""

from ib_data.builders.miniature.mirror import write_mirror

__all__ = ["write_mirror"]
