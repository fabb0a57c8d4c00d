"""An example for training, or only its ids."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ib_data.sample import Annotation
from ib_data.templates.rendered import Rendered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Example:
    """One annotation at a position of a stream. `dataset` is the member's name, which may be a view; `epoch` from 0.

    `media` are the stored bytes of the image or clip, None in a build without media. `pixels` are uint8 RGB, (H, W, 3)
    for an image and (frames, H, W, 3) for a clip, None if the stream does not decode. Examples of a batch with the
    same image share one array, so that it can be encoded once.
    """

    position: int
    dataset: str
    split: str
    key: str
    annotation_id: str
    epoch: int
    annotation: Annotation
    rendered: Rendered
    media: bytes | None
    media_kind: str
    pixels: "NDArray[np.uint8] | None" = None


@dataclass(frozen=True, slots=True)
class ExampleIds:
    """What the index says about a position; `template` is None if the annotation cannot be rendered."""

    position: int
    dataset: str
    key: str
    annotation_id: str
    template: str | None
