"""Paired bootstrap over images: the interval of the difference of AP between two sets of detections.

Each resample draws as many images as there are, with replacement, the same for both sets, and AP is computed anew with
the ranking over all drawn images: a mean of the APs of single images is another figure. What moves both alike, such as
an image that is hard for any build, cancels.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ssdbench.analysis.detections.average_precision import Matches, average_precisions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_CELLS = 4_000_000
"""Detections times resamples that are held at once: some 100 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApDifference:
    """AP of both sets; `change` is candidate minus baseline, `low` and `high` its interval."""

    baseline: float
    candidate: float
    change: float
    low: float
    high: float


def ap_difference(
    baseline: Matches, candidate: Matches, *, confidence: float, resamples: int, seed: int
) -> ApDifference:
    """The difference of AP over all images, and its percentile interval; NaN where there is no object."""
    import numpy as np

    every = np.ones((1, len(baseline.objects)), dtype=np.int64)
    there, here = (float(average_precisions(matches, every)[0]) for matches in (baseline, candidate))
    changes = resampled_changes(baseline, candidate, resamples=resamples, seed=seed)
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(changes, (tail, 1 - tail))
    return ApDifference(baseline=there, candidate=here, change=here - there, low=float(low), high=float(high))


def resampled_changes(baseline: Matches, candidate: Matches, *, resamples: int, seed: int) -> "NDArray[np.float64]":
    """The difference of AP in each resample, (resamples,)."""
    import numpy as np

    images, random = len(baseline.objects), np.random.default_rng(seed)
    largest = max(len(baseline.images), len(candidate.images), images, 1)
    at_once = max(1, min(resamples, _MOST_CELLS // largest))
    changes = []
    for begin in range(0, resamples, at_once):
        count = min(at_once, resamples - begin)
        draws = random.multinomial(images, np.full(images, 1 / images), size=count)
        changes.append(average_precisions(candidate, draws) - average_precisions(baseline, draws))
    found: NDArray[np.float64] = np.concatenate(changes)
    return found
