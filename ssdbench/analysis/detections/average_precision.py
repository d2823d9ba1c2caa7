"""AP of detections whose matches are known, for the images as they are and for images drawn again.

pycocotools ranks the detections of a category over all images, and takes for each of 101 recalls the highest precision
at that recall or above. An image that is drawn twice counts twice in every sum, and its detections keep their rank. So
with w the number of times that each image was drawn, of the detections of a category from the best to the worst:

    true[m]      = sum of w over right detections up to m
    precision[m] = true[m] / sum of w over counted detections up to m        only right ones raise it
    recall[m]    = true[m] / sum of w over objects
    AP           = mean over the recalls r of max(precision[m] where recall[m] >= r), 0 where there is none

and then the mean over the thresholds of IoU, and over the categories with an object in the images that were drawn.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.integer]
    Floats = NDArray[np.float64]

RIGHT, IGNORED = 1, 2
RECALLS = 101


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """M detections of K categories on I images, with T thresholds of IoU, as `ssd.matches.match` gives them.

    `images` (M,) by category and there best first; `bounds` (K + 1,) of the categories; `states` (T, M): 1 right, 2 not
    counted, 0 wrong; `objects` (I, K) to be found.
    """

    images: "Ints"
    bounds: "Ints"
    states: "Ints"
    objects: "Ints"


def average_precisions(matches: Matches, draws: "Ints") -> "Floats":
    """AP for each set of drawn images; `draws` (B, I) says how often each image was drawn. NaN without any object.

    With one of each image it is the AP of pycocotools.
    """
    # Imported here, as in every function below: most verbs need no numpy.
    import numpy as np

    sums, categories = np.zeros(len(draws)), np.zeros(len(draws), dtype=np.int64)
    objects = draws @ matches.objects
    for category in range(matches.objects.shape[1]):
        there = objects[:, category] > 0
        rows = slice(matches.bounds[category], matches.bounds[category + 1])
        counts = draws[:, matches.images[rows]]
        sums += np.where(there, _of_category(matches.states[:, rows], counts, objects[:, category]), 0.0)
        categories += there
    with np.errstate(invalid="ignore"):
        means: Floats = sums / categories
    return means


def _of_category(states: "Ints", counts: "Ints", objects: "Ints") -> "Floats":
    """AP of one category, mean over the thresholds; `states` (T, m), `counts` (B, m), `objects` (B,) -> (B,)."""
    import numpy as np

    counted = counts.cumsum(axis=1)
    means: Floats = np.mean([_at_threshold(row, counts, counted, objects) for row in states], axis=0)
    return means


def _at_threshold(states: "Ints", counts: "Ints", counted: "Ints", objects: "Ints") -> "Floats":
    import numpy as np

    right, ignored = np.flatnonzero(states == RIGHT), np.flatnonzero(states == IGNORED)
    if not len(right):
        return np.zeros(len(counts))
    before = counted[:, right]
    if len(ignored):
        skipped = np.pad(counts[:, ignored].cumsum(axis=1), ((0, 0), (1, 0)))
        before = before - skipped[:, np.searchsorted(ignored, right)]
    true = counts[:, right].cumsum(axis=1)
    precision = true / np.maximum(before, 1)
    highest = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    # How many of the 101 recalls each right detection is the first to reach.
    reached = np.searchsorted(np.linspace(0, 1, RECALLS), true / np.maximum(objects, 1)[:, None], side="right")
    first = np.diff(reached, axis=1, prepend=0)
    means: Floats = (highest * first).sum(axis=1) / RECALLS
    return means
