"""The mean over evaluations that the early gate looks at, and how far one more seed of the baseline may lie from it.

With y[i, e] = ln AP of seed i of the baseline's N at evaluation e, and v[e] its variance over the seeds:

    ln u[e] = ((N - 1) ln v[e] + 4 mean(ln v)) / (N - 1 + 4)       so that few seeds give no wild weights
    w[e]    = (1 / u[e]) / sum(1 / u)
    r[i]    = sum(w[e] y[i, e])

The first evaluations of a training scatter up to ten times as much as later ones, and in a plain mean they alone would
decide. Weights that are fitted to the very seeds whose spread is then measured make that spread look too small. So each
seed is predicted from the N - 1 others, with the weights that these give, as the candidate is from all N:

    e[i] = the others' mean of r - r[i]        weights and mean without seed i
    s^2  = (N - 1) / N * mean(e^2)             with equal weights the variance of r over the seeds
    SE   = s * sqrt(1 + 1/N), df = N - 1

The first dimensions of every array are studies, so that a simulation judges all in one call.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SHRINKAGE = 4
"""Degrees of freedom that the mean of all evaluations has against the N - 1 of one evaluation."""

_LEAST_SHARE = 1e-4
"""Variance of an evaluation in shares of their mean, at least: AP is rounded, and equal values are not certainty."""


def weights(variances: "Array", freedom: int) -> "Array":
    """Weights of evaluations, which sum to 1, from their variances (..., evaluations) over `freedom` + 1 seeds."""
    # Imported here, as in every function below: most verbs need no numpy.
    import numpy as np

    means = variances.mean(axis=-1, keepdims=True)
    # Where no seed differs from another, all evaluations are alike.
    logs = np.log(np.maximum(variances, _LEAST_SHARE * means), where=means > 0, out=np.zeros_like(variances))
    shrunk = (freedom * logs + SHRINKAGE * logs.mean(axis=-1, keepdims=True)) / (freedom + SHRINKAGE)
    # The smallest becomes 1, so that no scale of AP can overflow.
    raw = np.exp(shrunk.min(axis=-1, keepdims=True) - shrunk)
    shares: Array = raw / raw.sum(axis=-1, keepdims=True)
    return shares


def baseline_weights(baseline: "Array") -> "Array":
    """Weights of the evaluations from the seeds of a baseline, (..., seeds, evaluations) -> (..., evaluations)."""
    return weights(baseline.var(axis=-2, ddof=1), baseline.shape[-2] - 1)


def prediction_sd(baseline: "Array") -> "Array":
    """SD s of the weighted mean, (..., seeds, evaluations) -> (...), by predicting each seed from the others.

    Three seeds at least.
    """
    import numpy as np

    seeds = baseline.shape[-2]
    deviations = baseline - baseline.mean(axis=-2, keepdims=True)
    squares = (deviations**2).sum(axis=-2, keepdims=True)
    # Without seed i: the sum of squares about the others' mean, from which seed i lies N / (N - 1) deviations away.
    without = np.maximum(squares - seeds / (seeds - 1) * deviations**2, 0) / (seeds - 2)
    errors = (weights(without, seeds - 2) * deviations).sum(axis=-1) * seeds / (seeds - 1)
    sd: Array = np.sqrt((seeds - 1) / seeds * (errors**2).mean(axis=-1))
    return sd
