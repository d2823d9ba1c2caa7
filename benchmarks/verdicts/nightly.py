"""A nightly run on arrays: a session of every case, then pairs of those that are nominated, which alone decide."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc, stdtrit

from benchmarks.verdicts import sequential
from benchmarks.verdicts.decided import Answer, Decided
from benchmarks.verdicts.noise import Floats
from benchmarks.verdicts.rules import DEFAULT
from benchmarks.verdicts.world import Flags, Supply, World, draw
from ssdbench.analysis.verdicts.nomination import escape
from ssdbench.analysis.verdicts.spread import WIDER_SESSIONS_LEVEL, fit_prior, is_wider, shrunk
from ssdbench.schema.nightly import Look
from ssdbench.schema.settings import Settings

STORED_LAUNCHES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Nightly:
    """`nomination.nominate`, and `sequential` on what it nominates.

    sessions: stored ones, of `STORED_LAUNCHES` launches.
    launches: of each case in the session of the night, which looks at them once; None: it looks after the first one,
        and again after `STORED_LAUNCHES` of the cases that are still open.
    every: runs within which each case has its turn; the ages of the last pairs are in a random order.
    machine_faster: by how much the machine is faster than in the stored sessions, with any build.
    """

    sessions: int = 10
    launches: int | None = None
    every: int = 20
    machine_faster: float = 0.0
    settings: Settings = DEFAULT

    @property
    def name(self) -> str:
        launches = f"1 to {STORED_LAUNCHES}" if self.launches is None else self.launches
        return f"ssdbench, nightly, {self.sessions} stored sessions, {launches} launches, every {self.every}"

    def decide(self, world: World, rng: np.random.Generator, runs: int, /) -> Decided:
        supply = Supply(world, rng, runs)
        return self.one_night(supply, self.stored(supply), rng.uniform(size=supply.shape), rng)

    def stored(self, supply: Supply) -> Floats:
        """The stored sessions, (runs, cases, sessions, launches)."""
        return np.stack([supply.stored(STORED_LAUNCHES) for _ in range(self.sessions)], axis=-2)

    def first_found(self, world: World, growth: float, nights: int, runs: int, rng: np.random.Generator) -> Floats:
        """The number of the first night that finds each changed case, (runs, changed); infinite where none does.

        In night n the change is n times `growth`; the stored sessions stay the same.
        """
        supply = Supply(world, rng, runs)
        stored, ages = self.stored(supply), rng.uniform(size=supply.shape)
        found = np.full((runs, world.changed), np.inf)
        for night in range(1, nights + 1):
            tonight = Supply(replace(world, change=night * growth), rng, runs, supply.sds)
            decided = self.one_night(tonight, stored, ages, rng)
            is_found = decided.status[:, : world.changed] == Answer.REGRESSED
            found[is_found & np.isinf(found)] = night
            ages = np.where(decided.paired, 0, ages + 1)
        return found

    def one_night(self, supply: Supply, stored: Floats, ages: Floats, rng: np.random.Generator) -> Decided:
        """A night; `stored` is (runs, cases, sessions, launches), of the largest `ages` is the turn."""
        settings, (runs, _) = self.settings, supply.shape
        session = supply.candidate(self.launches or STORED_LAUNCHES) - np.log1p(self.machine_faster)
        is_open, launches = self.looks(stored, session)
        nominated = is_open | turns(is_open, ages, self.every)
        drawn = draw(supply.world, rng, runs, settings.pair_cap, settings.confirm_pair_cap, supply.sds)
        found = sequential.decide_chosen(drawn, nominated, settings)
        return replace(found, launches=found.launches + launches, paired=nominated)

    def looks(self, stored: Floats, session: Floats) -> tuple[Flags, int | NDArray[np.intp]]:
        """The cases that the looks leave open, and how many launches each case has taken by then."""
        if self.launches is not None:
            return may_have_changed(stored, session, self.settings), self.launches
        if self.sessions < self.settings.minimum_sessions:  # no look can close a case
            return may_have_changed(stored, session, self.settings), STORED_LAUNCHES
        first = may_have_changed(stored, session[..., :1], self.settings, "first")
        second = may_have_changed(stored, session, self.settings, "second")
        return first & second, np.where(first, STORED_LAUNCHES, 1)


def may_have_changed(stored: Floats, session: Floats, settings: Settings, look: Look = "only") -> Flags:
    """`nomination.may_have_changed` of logarithms (runs, cases, sessions, launches) and (runs, cases, launches)."""
    sessions, (*_, launches) = stored.shape[-2], stored.shape
    if sessions < settings.minimum_sessions:
        return np.ones(session.shape[:2], dtype=bool)
    means = stored.mean(axis=-1)
    own, freedom, floor = means.var(axis=-1, ddof=1), sessions - 1, settings.noise_floor**2
    prior = fit_prior(own, freedom, floor)
    wider = is_wider(own / prior.variance, freedom, prior.freedom, WIDER_SESSIONS_LEVEL)
    drawn, freedoms = shrunk(own, freedom, prior.without(wider))
    least = _least(stored, session, settings)
    fewer = stored.var(axis=-1, ddof=1).mean(axis=-1) * max(0.0, 1 / session.shape[-1] - 1 / launches)
    error = np.sqrt(np.maximum(drawn, least) * (1 + 1 / sessions) + fewer)
    change = session.mean(axis=-1) - means.mean(axis=-1)
    reach = stdtrit(freedoms, 1 - escape(settings, look)) * error
    found: Flags = (change + reach >= settings.log_margin) | (change <= -settings.log_margin)
    return found


def turns(is_open: Flags, ages: Floats, every: int) -> Flags:
    """Of the cases that are not open, those of the largest ages in their run."""
    cases = is_open.shape[1]
    rank = np.argsort(np.argsort(np.where(is_open, np.inf, -ages), axis=1), axis=1)
    found: Flags = (rank < math.ceil(cases / every)) & ~is_open
    return found


def _least(stored: Floats, session: Floats, settings: Settings) -> Floats:
    """The least variance of a session mean: larger where this session is noisier than those stored (F test)."""
    floor = np.full(session.shape[:2], settings.noise_floor**2)
    launches = session.shape[-1]
    if launches < 2:
        return floor
    here, there = session.var(axis=-1, ddof=1), stored.var(axis=-1, ddof=1).mean(axis=-1)
    freedom = stored.shape[-2] * (stored.shape[-1] - 1)
    is_noisier = fdtrc(launches - 1, freedom, here / there) < settings.alpha
    return np.where(is_noisier, np.maximum(floor, here / launches), floor)
