"""The exact rank-sum test (Wilcoxon, Mann and Whitney) of two arms with equally many launches.

It needs no assumption about the noise: if both builds are the same, every way to deal the launches to the arms is
equally likely, whatever states the machine takes. Launches that are equal share their ranks, and p stays exact.
Mann, H. B. and Whitney, D. R. (1947), On a test of whether one of two random variables is stochastically larger than
the other, Annals of Mathematical Statistics 18.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def p_larger(baseline: "Floats", candidate: "Floats") -> "Floats":
    """One-sided p of "the candidate's launches are no larger", for arrays (cases, launches); shape (cases,)."""
    import numpy as np
    from scipy.stats import rankdata

    launches = candidate.shape[1]
    # Twice the ranks are whole numbers, also where launches share one.
    ranks = np.rint(2 * rankdata(np.concatenate([baseline, candidate], axis=1), axis=1)).astype(int)
    sums = ranks[:, launches:].sum(axis=1)
    pooled = np.sort(ranks, axis=1)
    return np.array([_tails(tuple(row))[total] for row, total in zip(pooled.tolist(), sums.tolist(), strict=True)])


def smallest_p(launches: int, out_of_place: bool = False) -> float:
    """The p of launches that are all larger in one arm; `out_of_place`: but for one that is smaller than all others."""
    ranks = tuple(range(2, 4 * launches + 1, 2))
    largest = sum(ranks[launches:])
    return float(_tails(ranks)[largest - (2 * launches if out_of_place else 0)])


@lru_cache(maxsize=4096)
def _tails(ranks: tuple[int, ...]) -> "Floats":
    """P(the sum of half of these ranks >= s) for every s, by counting the subsets of each size and sum."""
    import numpy as np

    half = len(ranks) // 2
    ways = np.zeros((half + 1, sum(ranks[half:]) + 1))
    ways[0, 0] = 1
    for number, rank in enumerate(ranks, start=1):
        for size in range(min(half, number), 0, -1):
            ways[size, rank:] += ways[size - 1, : ways.shape[1] - rank]
    counts = ways[half]
    tails: Floats = np.cumsum(counts[::-1])[::-1] / counts.sum()
    return tails
