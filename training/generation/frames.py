"""Images and clips of a question as frames, from files, bytes or arrays."""

from pathlib import Path

import numpy as np
from PIL import Image

from ib_data.errors import IbDataError
from ib_data.evaluation.answering import Frames
from ib_data.media.faults import MediaError
from ib_data.media.pixels import pixels
from ib_data.stream_options import ImageOptions
from ib_data.training.generation.media_file import WORDS, require_file, shown_name


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
