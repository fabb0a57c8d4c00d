"""The miniature: a drawn world, and a mirror of the official files that are about it."""

from ib_data.builders.miniature.mirror import write_mirror

__all__ = ["write_mirror"]
