"""The images of the miniature, and the official archives that hold each of them.

As in COCO: the archives of 2014 and 2017 hold the same images under the same ids; val2017 is a part of val2014;
train2017 is train2014 and the rest of val2014; test2017 is a part of test2015.
"""

from dataclasses import dataclass
from functools import cached_property

from ib_data.builders.miniature.world.scene import TRAIT_CYCLE, Scene, scene_of
from ib_data.cards import MediaStore
from ib_data.keyed import keyed_below, keyed_bits

FIRST_ID, LAST_ID = 100_000, 581_929  # six digits, as most of COCO's ids; the last one is COCO's own


@dataclass(frozen=True)
class Population:
    """The images of a miniature with `num_images` images in train2014 and fewer, in proportion, elsewhere."""

    seed: int
    num_images: int

    @cached_property
    def stores(self) -> dict[str, tuple[int, ...]]:
        """Image ids in rising order, by the name of the media store."""
        train = self.num_images
        val = max(4, train // 2)
        test = max(2, train // 4)
        ids = self._ids(train + val + test)
        train2014, val2014, test2015 = ids[:train], ids[train : train + val], ids[train + val :]
        val2017 = val2014[: max(2, val * 2 // 5)]
        parts = {
            "coco_train2014": train2014,
            "coco_val2014": val2014,
            "coco_test2015": test2015,
            "coco_train2017": train2014 + val2014[len(val2017) :],
            "coco_val2017": val2017,
            "coco_test2017": test2015[: max(1, test // 2)],
        }
        return {store: tuple(sorted(part)) for store, part in parts.items()}

    @cached_property
    def ordinals(self) -> dict[int, int]:
        """The number of every image among all images in the order of their ids, by image id."""
        every = {i for ids in self.stores.values() for i in ids}
        return {image_id: number for number, image_id in enumerate(sorted(every))}

    def shuffled(self, store: str, stream: str) -> list[int]:
        """The image ids of a store, shuffled as in official files."""
        return sorted(self.stores[store], key=lambda i: keyed_bits(self.seed, f"miniature.shuffle.{stream}", i))

    def scene(self, image_id: int) -> Scene:
        """What an image shows."""
        return scene_of(self.seed, image_id)

    def numbers(self, least: int) -> range:
        """The numbers of a dataset's own images: as many as train2014 has, and at least `least`."""
        return range(max(least, self.num_images))

    def below(self, bound: int, stream: str, *counters: int) -> int:
        """A random integer in [0, bound) from this miniature's own stream."""
        return keyed_below(bound, self.seed, f"miniature.{stream}", *counters)

    def _ids(self, total: int) -> list[int]:
        """`total` different ids without a pattern; the traits of `world` take turns if there is room."""
        step = (LAST_ID - FIRST_ID) // total
        if step < 1:
            raise ValueError(f"num_images: six digits have no room for {total} images")
        ids = []
        for i in range(total):
            start = FIRST_ID + i * step
            if step < 2 * TRAIT_CYCLE:
                ids.append(start + self.below(step, "id", i))
                continue
            turn = start + self.below(step - TRAIT_CYCLE, "id", i)
            ids.append(turn + (i - turn) % TRAIT_CYCLE)
        order = sorted(range(total), key=lambda i: keyed_bits(self.seed, "miniature.order", i))
        return [ids[i] for i in order]


def image_link_of(store: MediaStore, image_id: int) -> str:
    """The address of one image, beside the folder of the archives."""
    assert store.file is not None
    return f"{store.file.url.rsplit('/', 2)[0]}/{store.member(image_id)}"
