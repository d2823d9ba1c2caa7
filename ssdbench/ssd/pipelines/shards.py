"""Which rank reads which images, and the proof that it did."""

import numpy as np

from ssdbench.errors import DataError
from ssdbench.ssd.coco import PreparedSplit


def shard(count: int, rank: int, world_size: int) -> range:
    """The positions of one rank among `count`; the shards cover all, disjoint, and differ by at most one in size.

    The bounds are those of DALI's readers, so that every pipeline gives a rank the same images in validation.
    """
    return range(count * rank // world_size, count * (rank + 1) // world_size)


def shuffled(count: int, *seed: int) -> list[int]:
    """The numbers below `count` in an order that depends on the seed alone."""
    order: list[int] = np.random.default_rng(seed).permutation(count).tolist()
    return order


class PassCheck:
    """Watches the image numbers of a shard go by: each pass must hold `size` different ones.

    A reader that skips images in silence, because its annotation file was cut off or changed after it was prepared,
    comes to a repetition too early; one that reads images twice does as well.
    """

    def __init__(self, split: PreparedSplit, size: int) -> None:
        self._split = split
        self._size = size
        self._seen: set[int] = set()

    def take(self, images: list[int]) -> None:
        """Note the images of a batch; `DataError` if one came twice in a pass."""
        for image in images:
            if image in self._seen:
                raise DataError(
                    f"the reader began its images anew after {len(self._seen)} of {self._size}: "
                    f"{self._split.annotations} is not the file that was prepared; delete its directory and "
                    "prepare the data again."
                )
            self._seen.add(image)
            if len(self._seen) == self._size:
                self._seen.clear()
