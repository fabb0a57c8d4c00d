"""The options of `ib-data stream` as the library takes them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ib_data.mixtures.options import StreamOptions


def stream_options(given: dict[str, Any]) -> "StreamOptions":
    """What `given`, the values of the verb, ask of the stream."""
    from ib_data.mixtures.images import ImageOptions
    from ib_data.mixtures.options import StreamOptions
    from ib_data.mixtures.order import Locality

    images = None
    if given["decode"] != "none":
        images = ImageOptions(image_px=given["image_px"], decode=given["decode"], augment=given["augment"])
    return StreamOptions(
        annotations_per_image=given["annotations_per_image"],
        locality=Locality() if given["local_order"] else None,
        images=images,
        templates=given["folder"],
        max_bad_share=given["max_bad_share"],
    )
