"""The options of `ib-data stream` as the library takes them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ib_data.mixtures.stream.stream_options import StreamOptions


def stream_options(given: dict[str, Any]) -> "StreamOptions":
    """What `given`, the values of the verb, ask of the stream."""
    from ib_data.media.pixels import ImageOptions
    from ib_data.mixtures.order.block_shuffle import Locality
    from ib_data.mixtures.stream.stream_options import StreamOptions

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
