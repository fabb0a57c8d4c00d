"""Images per second that one core decodes to 224 pixels: python benchmarks/decode.py [--write]

Draws JPEG files of 640 x 480, quality 90, 4:2:0, from blots of all sizes and noise, about as large as images of COCO.
If IB_DATA_REAL names a folder of official files, uses their images too. Every round runs each way over all images.
Reports medians of processor time, since other load on the machine affects wall time.
"""

import io
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import torch
from hardware import report
from PIL import Image, features

from ib_data.media.pixels import pixels
from ib_data.stream_options import ImageOptions

NUM_DRAWN = 40
ROUNDS = 9
NOISE = 16  # standard deviation, of 255; makes files of 140 kB
SIZE = (640, 480)

Decode = Callable[[bytes], object]


def drawn(number: int) -> bytes:
    """A JPEG of blots from 5 to 640 pixels, each finer layer half as strong, and of noise."""
    generator = np.random.default_rng(number)
    values = np.zeros((SIZE[1], SIZE[0], 3))
    for level in range(8):
        cells = generator.integers(0, 256, (3 * 2**level // 4 + 1, 2**level, 3), dtype=np.uint8)
        values += np.asarray(Image.fromarray(cells).resize(SIZE, Image.Resampling.BICUBIC)) / 2 ** (level + 1)
    noisy = np.clip(values + generator.normal(0, NOISE, values.shape[:2])[..., None], 0, 255)
    out = io.BytesIO()
    Image.fromarray(noisy.astype(np.uint8)).save(out, "JPEG", quality=90, subsampling=2)
    return out.getvalue()


def real_photos() -> list[bytes]:
    """The images of the official files in IB_DATA_REAL; none if it is not set."""
    folder = os.environ.get("IB_DATA_REAL")
    return [path.read_bytes() for path in sorted(Path(folder, "media").rglob("*.jpg"))] if folder else []


def bare_pillow(data: bytes) -> object:
    """The usual code: open, convert, resize."""
    return np.array(Image.open(io.BytesIO(data)).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC))


def resized(image: Image.Image) -> object:
    """The resize alone, which every decoder needs."""
    return image.resize((224, 224), Image.Resampling.BICUBIC)


def ways() -> dict[str, Decode]:
    """Each way of decoding, by name."""

    def ours(**options: Any) -> Decode:
        return lambda data: pixels(data, "image", ImageOptions(**options), position=data[-9])

    return {
        "Pillow, bare": bare_pillow,
        "ib_data exact": ours(),
        "ib_data exact, mild": ours(augment="mild"),
        "ib_data exact, blip2": ours(augment="blip2"),
        "ib_data exact, blip": ours(augment="blip"),
        "ib_data fast": ours(decode="fast"),
        "ib_data fast, mild": ours(decode="fast", augment="mild"),
        "simplejpeg, decoding alone": simplejpeg.decode_jpeg,
    }


def rates(photos: Sequence[bytes]) -> dict[str, Any]:
    """Images per second of each way, and of Pillow's resize alone, in interleaved rounds."""
    works: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
        name: (decode, photos) for name, decode in ways().items()
    }
    works["Pillow, resizing alone"] = (resized, [Image.open(io.BytesIO(data)).convert("RGB") for data in photos])
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, (work, inputs) in works.items():
            began = time.process_time()
            for each in inputs:
                work(each)
            seconds[name].append(time.process_time() - began)
    return {name: round(len(photos) / statistics.median(taken), 1) for name, taken in seconds.items()}


def four_in_one(photos: Sequence[bytes]) -> list[bytes]:
    """Four images joined into one of twice the size, which `fast` decodes at half the scale."""
    made = []
    for first in range(0, len(photos) - 3, 4):
        page = Image.new("RGB", (2 * SIZE[0], 2 * SIZE[1]))
        for place, data in enumerate(photos[first : first + 4]):
            corner = (place % 2 * SIZE[0], place // 2 * SIZE[1])
            page.paste(Image.open(io.BytesIO(data)).convert("RGB").resize(SIZE), corner)
        out = io.BytesIO()
        page.save(out, "JPEG", quality=90)
        made.append(out.getvalue())
    return made


def fast_error(photos: Sequence[bytes], augment: str = "none") -> dict[str, float]:
    """The difference of `fast` from `exact`: the share of values that differ, by how much, and the noise."""
    options = [ImageOptions(decode=decode, augment=augment) for decode in ("exact", "fast")]
    pairs = [
        [np.asarray(pixels(data, "image", option, position=number), float) for option in options]
        for number, data in enumerate(photos)
    ]
    differences = [np.abs(fast - exact) for exact, fast in pairs]
    changed = [float((difference != 0).mean()) for difference in differences]
    noise_db = [10 * np.log10(255**2 / max(np.square(difference).mean(), 1e-9)) for difference in differences]
    return {
        "photos": len(photos),
        "values_changed_median": round(statistics.median(changed), 5),
        "values_changed_most": round(max(changed), 5),
        "largest_of_255_median": statistics.median(float(difference.max()) for difference in differences),
        "largest_of_255": max(float(difference.max()) for difference in differences),
        "psnr_db_median": round(float(np.median(noise_db)), 1),
        "psnr_db_least": round(float(min(noise_db)), 1),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    photos = {"drawn, 640 x 480, q90, 4:2:0": [drawn(number) for number in range(NUM_DRAWN)]}
    if found := real_photos():
        photos["real photos"] = found
        photos["real photos, four in one"] = four_in_one(found)
    report(
        "decode",
        {
            "pillow": Image.__version__,
            "pillow_libjpeg_turbo": features.version("libjpeg_turbo"),
            "simplejpeg": simplejpeg.__version__,
            "torch": torch.__version__,
            "bytes_median": {name: statistics.median(map(len, group)) for name, group in photos.items()},
            "pictures_per_s_one_core": {name: rates(group) for name, group in photos.items()},
            "fast_error": {name: fast_error(group) for name, group in photos.items()},
            "fast_error_mild": {name: fast_error(group, "mild") for name, group in photos.items()},
        },
    )
