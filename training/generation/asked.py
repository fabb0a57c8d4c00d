"""A prompt with its images and clips, and files of images and clips as frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ib_data.errors import IbDataError
from ib_data.media.faults import MediaError
from ib_data.media.pixels import pixels
from ib_data.stream_options import ImageOptions
from ib_data.training.generation.media_file import WORDS, require_file, shown_name

Frames = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt about one or more images and clips, in this order.

    Each of `media` is the bytes of an image file, an image as uint8 (H, W, 3), or the frames of a clip as uint8
    (F, H, W, 3); RGB, of any size.
    """

    prompt: str
    media: Sequence[bytes | Frames]


def read_frames(path: Path, kind: str, image_px: int, num_frames: int) -> Frames:
    """The image in a file as uint8 (image_px, image_px, 3), or `num_frames` of the clip in it (kind "video").

    Raises IbDataError that names the file, and MissingExtraError for a clip without PyAV.
    """
    require_file(path, kind)
    try:
        return pixels(path.read_bytes(), kind, ImageOptions(image_px=image_px, frames=num_frames))
    except MediaError as error:
        raise IbDataError(f"{shown_name(path)}: not {WORDS[kind]}: {error}") from error
    except OSError as error:
        raise IbDataError(f"{shown_name(path)}: cannot be read ({error.strerror or error})") from error


def squares(media: bytes | Frames, image_px: int) -> list[Frames]:
    """The frames of one of `Asked.media`, each uint8 (image_px, image_px, 3). Raises IbDataError if it is no image."""
    if isinstance(media, bytes):
        try:
            return [pixels(media, "image", ImageOptions(image_px=image_px))]
        except MediaError as error:
            raise IbDataError(f"not an image: {error}") from error
    if media.dtype != np.uint8 or media.ndim not in (3, 4) or media.shape[-1] != 3 or 0 in media.shape:
        found = f"{media.dtype} {media.shape}"
        raise IbDataError(f"expected uint8 (height, width, 3) or (frames, height, width, 3), found {found}")
    return [_square(frame, image_px) for frame in (media if media.ndim == 4 else media[None])]


def _square(frame: Frames, image_px: int) -> Frames:
    """As `media/pixels.py` does it, so that an array and a file of it give the same values."""
    if frame.shape[:2] == (image_px, image_px):
        return frame
    return np.array(Image.fromarray(frame).resize((image_px, image_px), Image.Resampling.BICUBIC))
