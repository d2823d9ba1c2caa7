"""Noise of launches: standard deviations as published, and the shape of what is left.

Launch-to-launch standard deviations of the logarithm of the median step time, in per cent, on NVIDIA GPUs and TPUs,
from the public logs of MLPerf Training v0.7 to v3.1 (github.com/mlcommons/training_results_*; 5 to 40 launches per
system and benchmark, cut to equal length). Per benchmark: quartiles and upper quantiles over the systems, and middle
values of the share of variance between launches (intraclass correlation of iterations) and of their autocorrelation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Quantiles .25, .50, .75, .90, .95 of the launch SD in per cent, ICC and autocorrelation of iterations."""

    systems: int
    quantiles: tuple[float, float, float, float, float]
    icc: float
    autocorrelation: float


PUBLISHED: Mapping[str, Published] = {
    "ssd": Published(systems=114, quantiles=(0.06, 0.10, 0.19, 0.38, 0.48), icc=0.05, autocorrelation=0.04),
    "resnet": Published(systems=172, quantiles=(0.03, 0.05, 0.13, 0.23, 0.33), icc=0.05, autocorrelation=0.1),
    "rnnt": Published(systems=103, quantiles=(0.09, 0.16, 0.30, 0.60, 0.91), icc=0.21, autocorrelation=0.35),
    "unet3d": Published(systems=95, quantiles=(0.08, 0.13, 0.22, 0.59, 1.06), icc=0.05, autocorrelation=0.97),
    "maskrcnn": Published(systems=116, quantiles=(0.11, 0.18, 0.46, 1.2, 4.3), icc=0.03, autocorrelation=0.96),
}
_LEVELS = (0.0, 0.25, 0.50, 0.75, 0.90, 0.95, 1.0)
# The table ends at the quartile and at q95. Below, half the quartile; above, the same ratio again as from q90 to q95.
_FIRST = 0.5
# Standardised residuals of 4,470 launches have an excess kurtosis of .86, as Student's t with 11 degrees of freedom.
RESIDUAL_FREEDOM = 11


def launch_sds(rng: np.random.Generator, shape: int | tuple[int, ...], benchmark: str) -> Floats:
    """A launch SD (of the logarithm) per case, drawn from the published quantiles, log-linear between them."""
    published = PUBLISHED[benchmark].quantiles
    points = (published[0] * _FIRST, *published, published[-1] ** 2 / published[-2])
    sds: Floats = np.exp(np.interp(rng.uniform(size=shape), _LEVELS, np.log(points))) / 100
    return sds


def residuals(
    rng: np.random.Generator, shape: tuple[int, ...], freedom: float = RESIDUAL_FREEDOM, skew: int = 0
) -> Floats:
    """Of mean 0 and variance 1, with the tails of real launches (Student's t).

    `skew` is the sign of a long tail on one side alone: a gamma distribution of shape 2, whose skewness is 1.4.
    """
    if skew:
        skewed: Floats = skew * (rng.gamma(2.0, 1.0, shape) - 2.0) / np.sqrt(2.0)
        return skewed
    scale = np.sqrt(freedom / (freedom - 2))
    drawn: Floats = rng.standard_t(freedom, shape) / scale
    return drawn


def autocorrelated(values: Floats, rho: float) -> Floats:
    """AR(1) along the last axis, of the variance of `values`; in place."""
    for launch in range(1, values.shape[-1]):
        values[..., launch] = rho * values[..., launch - 1] + np.sqrt(1 - rho**2) * values[..., launch]
    return values


def states(rng: np.random.Generator, shape: tuple[int, ...], share: float, stay: float) -> NDArray[np.bool_]:
    """Which launches are in the rarer of two states, which has this share and lasts `stay` launches on average.

    With a `stay` of 1 / (1 - share) the launches are independent; of any other they are a stationary Markov chain.
    """
    drawn = rng.uniform(size=shape)
    leave = 1 / stay
    enter = leave * share / (1 - share)
    state = np.empty(shape, dtype=bool)
    state[..., 0] = drawn[..., 0] < share
    for launch in range(1, shape[-1]):
        state[..., launch] = drawn[..., launch] < np.where(state[..., launch - 1], 1 - leave, enter)
    return state


def contaminated(rng: np.random.Generator, logs: Floats, share: float, most: float = 0.16) -> Floats:
    """`logs` with a share of the launches slowed by up to `most`: a neighbour, a throttled clock."""
    hit = rng.uniform(size=logs.shape) < share
    return logs + hit * np.log1p(rng.uniform(0.0, most, logs.shape))


def level_share(benchmark: str, steps: int) -> float:
    """SD of a launch's level divided by that of its mean over `steps` steps, which is what was published."""
    published = PUBLISHED[benchmark]
    lags = np.arange(1, steps)
    correlated = 1 + 2 * np.sum((1 - lags / steps) * published.autocorrelation**lags)
    return float(1 / np.sqrt(1 + _within(published) ** 2 * correlated / steps))


def iterations(rng: np.random.Generator, levels: Floats, sds: Floats, count: int, benchmark: str) -> Floats:
    """Step times of each launch, (..., launches, count): AR(1) around its level; `sds` (...) are those of levels."""
    published = PUBLISHED[benchmark]
    steps = autocorrelated(rng.standard_normal((*levels.shape, count)), published.autocorrelation)
    times: Floats = np.exp(levels[..., None] + _within(published) * sds[..., None, None] * steps)
    return times


def _within(published: Published) -> float:
    """SD of the steps around their launch, over that of the launches."""
    return float(np.sqrt((1 - published.icc) / published.icc))
