"""Simulated runs with a known truth: a world, and the launches that it gives.

The launches of a case are made as one sequence in the order in which they are taken, those of `measure` first, and are
then dealt to the arms. So drift, states and order effects reach both arms as they do on a machine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.verdicts.noise import (
    RESIDUAL_FREEDOM,
    Floats,
    autocorrelated,
    contaminated,
    iterations,
    launch_sds,
    level_share,
    residuals,
    states,
)

CASES = 100
STEPS = 60
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Properties of a simulated run; times, so a slower launch has the larger value.

    cases, changed: cases of a run, and how many of them, the first ones, have changed.
    change: their relative slowdown; where `mixed`, every second one is as much faster.
    launch_sds: of the cases in turn; without any, one per case is drawn from the published table of `benchmark`.
    candidate_noise: factor on the launch SD of the candidate.
    freedom, skew: shape of the noise (`noise.residuals`).
    autocorrelation: between successive launches of a case.
    growth: the launch SD grows by this share of itself with every launch of a case.
    drift, walk: slowdown per launch of a case, and SD of a random walk from launch to launch.
    ramp, ramp_launches: the first launch is this much slower, which decays exponentially over so many launches.
    fast_share, fast_by, stay: share of launches in a faster state, by how much, and the mean length of a stay in it.
    machine_wide: the walk and the states go on from launch to launch of the whole run, whose cases take turns, and
        not only of the case: `walk` and `stay` then count the launches of all cases.
    contamination: share of launches that are slowed by up to 16 %.
    order_effect: slowdown of the second launch of a pair.
    coin: whether the order within a pair is drawn for each; it alternates from a random start otherwise.
    rounding: least and largest size of the steps to which values are rounded, relative to a case's value.
    session_drift: SD of a shift between sessions, so between a stored baseline and a new one.
    """

    name: str
    cases: int = CASES
    changed: int = 0
    change: float = 0.0
    mixed: bool = False
    launch_sds: tuple[float, ...] = ()
    benchmark: str = "ssd"
    candidate_noise: float = 1.0
    freedom: float = RESIDUAL_FREEDOM
    skew: int = 0
    autocorrelation: float = 0.0
    growth: float = 0.0
    drift: float = 0.0
    walk: float = 0.0
    ramp: float = 0.0
    ramp_launches: float = 4.0
    fast_share: float = 0.0
    fast_by: float = 0.0
    stay: float | None = None
    machine_wide: bool = False
    contamination: float = 0.0
    order_effect: float = 0.0
    coin: bool = False
    rounding: tuple[float, float] | None = None
    session_drift: float = 0.0

    def true_changes(self) -> Floats:
        """Of each case, as a difference of logarithms."""
        sizes = np.where(np.arange(self.cases) < self.changed, np.log1p(self.change), 0.0)
        return sizes * (-1.0) ** np.arange(self.cases) if self.mixed else sizes

    def sds(self, rng: np.random.Generator, runs: int) -> Floats:
        """The launch SD (of the logarithm) of each case, (runs, cases)."""
        if not self.launch_sds:
            return launch_sds(rng, (runs, self.cases), self.benchmark)
        return np.broadcast_to(np.resize(self.launch_sds, self.cases), (runs, self.cases))

    def draw(self, rng: np.random.Generator, runs: int, pairs: int, fresh_pairs: int) -> "Drawn":
        """All launches that the plans of these runs could ask for."""
        return draw(self, rng, runs, pairs, fresh_pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The launches of a block of runs: logarithms of times.

    baseline, candidate: of `measure`, (runs, cases, pairs); fresh_baseline, fresh_candidate: of `confirm`.
    candidate_first, fresh_candidate_first: which arm of a pair was launched first, of the same shapes.
    changes: the true difference of logarithms, (runs, cases).
    """

    baseline: Floats
    candidate: Floats
    fresh_baseline: Floats
    fresh_candidate: Floats
    candidate_first: Flags
    fresh_candidate_first: Flags
    changes: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Runs and cases."""
        runs, cases = self.changes.shape
        return runs, cases

    @property
    def runs(self) -> NDArray[np.int64]:
        """The run of each case, where the cases of all runs are rows of one array."""
        runs, cases = self.shape
        return np.repeat(np.arange(runs), cases)


def draw(
    world: World, rng: np.random.Generator, runs: int, pairs: int, fresh_pairs: int, sds: Floats | None = None
) -> Drawn:
    """See `World.draw`; `sds` are the launch SDs, (runs, cases), if these cases were measured before."""
    shape = (runs, world.cases)
    first = np.concatenate([_candidate_first(world, rng, (*shape, count)) for count in (pairs, fresh_pairs)], axis=-1)
    is_candidate = np.stack([first, ~first], axis=-1)
    changes = np.broadcast_to(world.true_changes(), shape)
    factors = np.where(is_candidate, world.candidate_noise, 1.0)
    levels = is_candidate * changes[..., None, None]
    levels[..., 1] += np.log1p(world.order_effect)
    flat = (*shape, 2 * (pairs + fresh_pairs))
    logs = launches(
        world, rng, world.sds(rng, runs) if sds is None else sds, levels.reshape(flat), factors.reshape(flat)
    )
    taken = logs.reshape(is_candidate.shape)
    baseline = np.where(first, taken[..., 1], taken[..., 0])
    candidate = np.where(first, taken[..., 0], taken[..., 1])
    return Drawn(
        baseline=baseline[..., :pairs],
        candidate=candidate[..., :pairs],
        fresh_baseline=baseline[..., pairs:],
        fresh_candidate=candidate[..., pairs:],
        candidate_first=first[..., :pairs],
        fresh_candidate_first=first[..., pairs:],
        changes=changes,
    )


def launches(world: World, rng: np.random.Generator, sds: Floats, levels: Floats, factors: Floats) -> Floats:
    """Logarithms of successive launches of each case, (runs, cases, launches).

    `levels` are what they would be without noise, `factors` those on the launch SD; `sds` are (runs, cases).
    """
    shape, times = levels.shape, np.arange(levels.shape[-1])
    scatter = residuals(rng, shape, world.freedom, world.skew)
    if world.autocorrelation:
        scatter = autocorrelated(scatter, world.autocorrelation)
    logs = levels + sds[..., None] * factors * (1 + world.growth * times) * scatter
    logs += np.log1p(world.drift) * times + np.log1p(world.ramp) * np.exp(-times / world.ramp_launches)
    sequences = (shape[0], shape[1] * shape[2]) if world.machine_wide else shape
    if world.walk:
        logs += _dealt(np.cumsum(rng.normal(0.0, world.walk, sequences), axis=-1), shape)
    if world.fast_share:
        stay = world.stay or 1 / (1 - world.fast_share)
        is_fast = states(rng, sequences, world.fast_share, stay)
        logs += np.log1p(-world.fast_by) * _dealt(is_fast.astype(float), shape)
    if world.contamination:
        logs = contaminated(rng, logs, world.contamination)
    return logs if world.rounding is None else _rounded(rng, logs, world.rounding)


class Supply:
    """The launches of a block of runs for rules that take stored ones, or steps; every method hands out fresh ones.

    A launch is the logarithm of its median step time, or where `steps` are asked for its step times; arrays are
    (runs, cases, launches) or (runs, cases, launches, steps). `sds` are launch SDs of cases that are known.
    """

    def __init__(self, world: World, rng: np.random.Generator, runs: int, sds: Floats | None = None) -> None:
        self.world = world
        self.shape = (runs, world.cases)
        self._rng = rng
        self.sds = world.sds(rng, runs) if sds is None else sds
        self._session = rng.normal(0.0, world.session_drift, self.shape)

    def stored(self, count: int, steps: int | None = None) -> Floats:
        """Launches of the baseline, of one earlier session."""
        return self._launches(count, steps, self._rng.normal(0.0, self.world.session_drift, self.shape))

    def baseline(self, count: int, steps: int | None = None) -> Floats:
        """Launches of the baseline's build in the new session."""
        return self._launches(count, steps, self._session)

    def candidate(self, count: int, steps: int | None = None) -> Floats:
        """Launches of the candidate in the new session."""
        levels = self._session + self.world.true_changes()
        return self._launches(count, steps, levels, self.world.candidate_noise)

    def _launches(self, count: int, steps: int | None, levels: Floats, factor: float = 1.0) -> Floats:
        share = 1.0 if steps is None else level_share(self.world.benchmark, STEPS)
        flat = np.broadcast_to(levels[..., None], (*self.shape, count))
        logs = launches(self.world, self._rng, share * self.sds, flat, np.full(count, factor))
        return logs if steps is None else iterations(self._rng, logs, share * self.sds, steps, self.world.benchmark)


def _candidate_first(world: World, rng: np.random.Generator, shape: tuple[int, int, int]) -> Flags:
    if world.coin:
        return rng.uniform(size=shape) < 0.5
    return (rng.integers(0, 2, (*shape[:2], 1)) + np.arange(shape[2])) % 2 == 0


def _dealt(values: Floats, shape: tuple[int, ...]) -> Floats:
    """Values along the launches of a whole run, dealt to its cases, which take turns by pairs; else as they are."""
    if values.shape == shape:
        return values
    runs, cases, count = shape
    return values.reshape(runs, count // 2, cases, 2).swapaxes(1, 2).reshape(shape)


def _rounded(rng: np.random.Generator, logs: Floats, sizes: tuple[float, float]) -> Floats:
    """Rounded to steps of a size per case, whose value lies anywhere between two steps."""
    least, most = np.log(sizes)
    steps = np.exp(rng.uniform(least, most, (*logs.shape[:2], 1)))
    base = 1 + steps * rng.uniform(size=steps.shape)
    return np.log(np.round(base * np.exp(logs) / steps) * steps)
