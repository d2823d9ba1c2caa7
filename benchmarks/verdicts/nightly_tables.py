"""The tables of nightly runs: what nomination finds in one run, and how soon a creeping slowdown is found."""

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.verdicts.effort import SEED, Effort
from benchmarks.verdicts.markdown import alarms, launches, percent, table, with_bounds
from benchmarks.verdicts.nightly import STORED_LAUNCHES, Nightly
from benchmarks.verdicts.rows import CHANGED, OURS, scaled
from benchmarks.verdicts.score import Job
from benchmarks.verdicts.world import World

NEVER = 10**6
CREEP = 0.001
CREEP_ROWS = (
    (0.002, 0.0, 20),
    (0.002, 0.0, NEVER),
    (0.002, 0.005, 20),
    (0.002, 0.005, 5),
    (0.002, 0.005, NEVER),
    (0.01, 0.0, 20),
)
"""SD between sessions, by how much the machine is faster now, and the turns."""
NIGHTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NightlyRow:
    """A launch SD, a drift between sessions, and nightly runs of so many stored sessions and launches a case.

    `launches` None is the session that looks twice.
    """

    sd: float | None
    drift: float
    sessions: int
    launches: int | None

    def worlds(self) -> tuple[World, World, World]:
        """Without a change, and with one of 1 and of 2 %."""
        name = f"nightly {self.sd} {self.drift}"
        null = World(name=name, launch_sds=(self.sd,) if self.sd else (), session_drift=self.drift)
        one, two = (replace(null, name=f"{name} {size}", change=size, changed=CHANGED) for size in (0.01, 0.02))
        return null, one, two

    def jobs(self, scale: float) -> list[Job]:
        """One for each world."""
        rule = Nightly(sessions=self.sessions, launches=self.launches)
        return [
            Job(rule=rule, world=world, runs=scaled(200 if world.changed else 1000, scale)) for world in self.worlds()
        ]

    def pairs_for_everything(self, scale: float) -> Job:
        """The same world without changes, all of it measured in pairs."""
        return Job(rule=OURS, world=self.worlds()[0], runs=scaled(400, scale))


NIGHTLY_ROWS = (
    *(
        NightlyRow(sd=sd, drift=0.002, sessions=sessions, launches=launches)
        for sd in (None, 0.005)
        for sessions in (5, 10, 20)
        for launches in (None, 1, 3)
    ),
    *(NightlyRow(sd=sd, drift=0.01, sessions=10, launches=launches) for sd in (None, 0.005) for launches in (None, 3)),
)


def nightly_table(effort: Effort) -> str:
    """Nightly runs without a change, and with one: what they find, and what share of pairs for everything they cost."""
    in_pairs: dict[tuple[float | None, float], Job] = {}
    for row in NIGHTLY_ROWS:
        in_pairs.setdefault((row.sd, row.drift), row.pairs_for_everything(effort.scale))
    asked = [job for row in NIGHTLY_ROWS for job in row.jobs(effort.scale)]
    scores = effort.scores([*in_pairs.values(), *asked])
    cost = {world: scores.pop(0).launches.value for world in in_pairs}
    lines = []
    for row in NIGHTLY_ROWS:
        null, first, second = (scores.pop(0) for _ in range(3))
        share = null.launches.value / cost[row.sd, row.drift]
        lines.append(
            [
                f"{100 * row.sd:g} %" if row.sd else "published",
                f"{100 * row.drift:g} %",
                f"{row.sessions}",
                f"1 or {STORED_LAUNCHES}" if row.launches is None else f"{row.launches}",
                alarms(null.alarms),
                percent(null.paired),
                f"{launches(null)} ({100 * share:.0f} %)",
                with_bounds(first.found),
                percent(first.passed),
                launches(first),
                percent(second.found),
            ]
        )
    heads = ["launch SD", "SD between sessions", "stored sessions", "launches in the session"]
    heads += ['null runs with a false "regressed"', "null: in pairs", "null: launches a case (of pairs for everything)"]
    return table([*heads, "1 % slower: found", "passed as unchanged", "launches a case", "2 % slower: found"], lines)


def creep_table(effort: Effort) -> str:
    """Cases that get slower by 0.1 % from run to run, against the same stored sessions."""
    lines = []
    for number, (drift, faster, every) in enumerate(CREEP_ROWS):
        world = World(name="creep", session_drift=drift, changed=CHANGED)
        rule = Nightly(every=every, machine_faster=faster)
        rng = np.random.default_rng([SEED, number])
        nights = rule.first_found(world, CREEP, NIGHTS, scaled(200, effort.scale), rng)
        effort.progress(f"creep: drift {drift}, {faster} faster, every {every}")
        cells = [f"{np.quantile(nights, level, method='inverted_cdf'):.0f}" for level in (0.05, 0.5, 0.95)]
        turn = "none" if every == NEVER else f"every {every} runs"
        lines.append([f"{100 * drift:g} %", f"{100 * faster:g} %", turn, *cells])
    heads = ["SD between sessions", "machine faster than in the stored sessions", "turns"]
    return table([*heads, "5 % are found by run", "50 % by run", "95 % by run"], lines)
