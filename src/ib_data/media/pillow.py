"""Sets Pillow's process-wide switches while we decode, whatever the program around us has set.

Many training scripts let Pillow fill in a truncated file in black, and some lower its size limit. Both settings are
process-wide. If they already have the values we need, nothing is changed.
"""

import os
import threading

from PIL import Image, ImageFile

from ib_data.media.faults import MAX_PIXELS


class _Switches:
    """In the block, Pillow rejects truncated files and has no size limit below ours.

    Counts the decoders at work in all threads: the first sets the switches, the last restores them.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.num_inside = 0
        self.is_truncated_loaded = False
        self.max_pixels: int | None = None

    def __enter__(self) -> None:
        with self.lock:
            if self.num_inside == 0:
                self.is_truncated_loaded, self.max_pixels = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
                if self.is_truncated_loaded:
                    ImageFile.LOAD_TRUNCATED_IMAGES = False
                if self.max_pixels is not None and self.max_pixels < MAX_PIXELS:
                    Image.MAX_IMAGE_PIXELS = None
            self.num_inside += 1

    def __exit__(self, *_raised: object) -> None:
        with self.lock:
            self.num_inside -= 1
            if self.num_inside == 0:
                self._put_back()

    def after_fork(self) -> None:
        """Reset the count in a forked child, which does not have the other threads."""
        self.lock = threading.Lock()
        if self.num_inside:
            self.num_inside = 0
            self._put_back()

    def _put_back(self) -> None:
        if self.is_truncated_loaded:
            ImageFile.LOAD_TRUNCATED_IMAGES = True
        if self.max_pixels is not None and self.max_pixels < MAX_PIXELS:
            Image.MAX_IMAGE_PIXELS = self.max_pixels


OWN_SWITCHES = _Switches()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=OWN_SWITCHES.after_fork)
