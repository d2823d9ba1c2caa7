"""Simulated runs of a hundred cases with a known truth, and the launches that a rule may take from them."""

from dataclasses import dataclass

import numpy as np

from benchmarks.verdicts.noise import Floats, contaminated, iterations, launch_sds, level_share, residuals

CASES = 100
STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Properties of a simulated run.

    change: relative slowdown of the first `changed` cases of a run.
    launch_sd: of every case; None draws one per case from the published table of `benchmark`.
    walk: SD of a random walk from launch to launch, which interleaved pairs share but for one step.
    session_drift: SD of a shift between sessions, so between a stored baseline and the new one.
    contamination: share of launches that are slowed by up to 16 %.
    candidate_noise: factor on the launch SD of the candidate.
    """

    name: str
    change: float = 0.0
    changed: int = 0
    launch_sd: float | None = None
    benchmark: str = "ssd"
    walk: float = 0.0
    session_drift: float = 0.0
    contamination: float = 0.0
    candidate_noise: float = 1.0


class Supply:
    """The launches of one run; every method hands out fresh ones.

    A launch is the logarithm of its median step time, or where `steps` are asked for its step times; arrays are
    (cases, launches) or (cases, launches, steps). A rule adds to `launches` what it used, per case.
    """

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self.world = world
        self.cases = CASES
        self.launches = np.zeros(CASES)
        self._rng = rng
        drawn = launch_sds(rng, CASES, world.benchmark)
        self._sds = drawn if world.launch_sd is None else np.full(CASES, world.launch_sd)
        self._shift = np.where(np.arange(CASES) < world.changed, np.log1p(world.change), 0.0)
        self._session = rng.normal(0.0, world.session_drift, CASES)

    def pairs(self, count: int, steps: int | None = None) -> tuple[Floats, Floats]:
        """Interleaved launches of both arms, baseline and candidate."""
        walk = np.cumsum(self._rng.normal(0.0, self.world.walk, (CASES, 2 * count)), axis=1).reshape(CASES, count, 2)
        # The order within a pair is random: either arm may be the one a step further down the walk.
        drift = self._rng.permuted(walk, axis=2)
        return (
            self._launches(count, steps, drift[..., 0]),
            self._launches(count, steps, drift[..., 1] + self._shift[:, None], self.world.candidate_noise),
        )

    def stored(self, count: int, steps: int | None = None) -> Floats:
        """Launches of the baseline, of one earlier session."""
        return self._launches(count, steps, self._rng.normal(0.0, self.world.session_drift, (CASES, 1)))

    def candidate(self, count: int, steps: int | None = None) -> Floats:
        """`count` launches of the candidate, all from the new session."""
        return self._launches(count, steps, (self._shift + self._session)[:, None], self.world.candidate_noise)

    def _launches(self, count: int, steps: int | None, levels: Floats, factor: float = 1.0) -> Floats:
        share = 1.0 if steps is None else level_share(self.world.benchmark, STEPS)
        sds = factor * share * self._sds
        logs = levels + sds[:, None] * residuals(self._rng, (CASES, count))
        logs = contaminated(self._rng, logs, self.world.contamination)
        return logs if steps is None else iterations(self._rng, logs, share * self._sds, steps, self.world.benchmark)
