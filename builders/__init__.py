"""Official rows to samples to shards: one small file a dataset, and the machinery they share."""

from collections.abc import Callable, Iterator, Mapping

from ib_data.builders import aokvqa, coco_caption, okvqa, vqav2, vsr
from ib_data.builders.files import Files
from ib_data.builders.rows import Drop, Row

Rows = Callable[[Files], Iterator[Row | Drop]]

BUILDERS: Mapping[str, Rows] = {
    "aokvqa": aokvqa.rows,
    "coco_caption": coco_caption.rows,
    "okvqa": okvqa.rows,
    "vqav2": vqav2.rows,
    "vsr": vsr.rows,
}
