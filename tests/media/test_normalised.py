"""Normalised pixels for the vision encoder."""

import io

import torch
from PIL import Image

from ib_data.media.clip_statistics import DEVIATION, MEAN
from ib_data.media.normalised import normalised
from ib_data.media.pixels import pixels
from ib_data.stream_options import ImageOptions


def test_normalised_values_are_those_of_the_formula_and_the_pixels_stay() -> None:
    images = torch.randint(0, 256, (3, 6, 5, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    values = normalised(images)
    expected = (images.permute(0, 3, 1, 2).float() / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(
        DEVIATION
    ).view(3, 1, 1)
    assert values.dtype == torch.float32
    assert values.is_contiguous()
    assert torch.equal(values, expected)
    assert torch.equal(images, before)


def test_an_image_keeps_its_order_of_rows_columns_and_channels() -> None:
    image = Image.new("RGB", (4, 4))
    image.putpixel((3, 1), (255, 0, 0))
    out = io.BytesIO()
    image.save(out, "PNG")
    (values,) = normalised(torch.from_numpy(pixels(out.getvalue(), "image", ImageOptions(image_px=4)))[None])
    assert values.shape == (3, 4, 4)
    assert (values[0] > 0).nonzero().tolist() == [[1, 3]]
    assert not (values[1:] > 0).any()
