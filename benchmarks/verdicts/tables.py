"""The tables of docs/verdicts.md, in Markdown."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.verdicts.decided import case_launches
from benchmarks.verdicts.effort import SEED, Effort
from benchmarks.verdicts.markdown import alarms, launches, percent, table, with_bounds
from benchmarks.verdicts.nightly_tables import creep_table, nightly_table
from benchmarks.verdicts.peers import PEERS
from benchmarks.verdicts.rows import (
    CHANGE_ROWS,
    CHANGED,
    NOISE_ROWS,
    OURS,
    SINGLE_SHOTS,
    SINGLE_WORLDS,
    WORLD_ROWS,
    Row,
    scaled,
)
from benchmarks.verdicts.rules import Rule, SingleShot, Stored
from benchmarks.verdicts.score import Job, Score
from benchmarks.verdicts.world import World
from ssdbench.analysis.verdicts.interleaved import judge

COMPARED: Sequence[Rule] = (OURS, SingleShot(), Stored(), *PEERS)
DETECTABLE_SDS = (0.001, 0.003, 0.005, 0.01, 0.02, 0.08)


def noise_table(effort: Effort) -> str:
    """Our rule at many levels of noise, and numbers of cases."""
    return _both(NOISE_ROWS, effort)


def world_table(effort: Effort) -> str:
    """Our rule in worlds that launches of a quiet machine are not from."""
    return _both(WORLD_ROWS, effort)


def change_table(effort: Effort) -> str:
    """Our rule and changes of many sizes."""
    scores = effort.scores([row.jobs(effort.scale)[1] for row in CHANGE_ROWS])
    return table(
        ["change", "runs", "called", "unchanged", "inconclusive", "interval covers", "launches a case"],
        [
            [row.world.name, str(found.runs), *_of_changed(found), percent(found.covered), launches(found)]
            for row, found in zip(CHANGE_ROWS, scores, strict=True)
        ],
    )


def peer_table(effort: Effort) -> str:
    """Our rule and others on SSD's published SDs, with and without drift between sessions."""
    worlds = (
        *(World(name=f"drift {drift}", session_drift=drift) for drift in (0.0, 0.002)),
        *(World(name=f"{change} slower", change=change, changed=CHANGED) for change in (0.01, 0.05, 0.10)),
    )
    asked = [
        Job(rule=rule, world=world, runs=scaled(100 if world.changed else 300, effort.scale))
        for rule in COMPARED
        for world in worlds
    ]
    scores = effort.scores(asked)
    lines = []
    for rule in COMPARED:
        null, drifted, first, *others = (scores.pop(0) for _ in worlds)
        cells = [percent(null.false_changes), percent(drifted.false_changes)]
        cells += [f"{percent(first.found)} / {percent(first.passed)}", *(percent(other.found) for other in others)]
        lines.append([rule.name, *cells, launches(null)])
    heads = ["rule", "false alarm in a null run", "the same, sessions 0.2 % apart", "1 % slower: found / passed"]
    return table([*heads, "5 % found", "10 % found", "launches a case"], lines)


def detectable_table(effort: Effort) -> str:
    """What becomes of the only change of a run, as large as the verdicts say that it shows, and that it is called."""
    stated = [stated_changes(sd) for sd in DETECTABLE_SDS]
    worlds = [
        World(name=f"detectable {sd:g} {kind}", launch_sds=(sd,), change=change, changed=1)
        for sd, changes in zip(DETECTABLE_SDS, stated, strict=True)
        for kind, change in zip(("shows", "called"), changes, strict=True)
    ]
    scores = effort.scores([Job(rule=OURS, world=world, runs=scaled(600, effort.scale)) for world in worlds])
    heads = ["launch SD", "stated smallest detectable change", "shows as a real difference", "and is called"]
    return table(
        [*heads, "stated smallest change that is called", "is called"],
        [
            [
                f"{100 * sd:g} %",
                f"{100 * shows:.2g} %",
                with_bounds(small.seen),
                percent(small.found),
                f"{100 * called:.2g} %",
                with_bounds(large.found),
            ]
            for sd, (shows, called), small, large in zip(DETECTABLE_SDS, stated, scores[::2], scores[1::2], strict=True)
        ],
    )


def stated_changes(launch_sd: float) -> tuple[float, float]:
    """The smallest change that shows, and the smallest that is called: medians over a null run's cases."""
    world, settings = World(name="null", launch_sds=(launch_sd,)), OURS.settings
    drawn = world.draw(np.random.default_rng(SEED), 1, settings.pair_cap, settings.confirm_pair_cap)
    verdicts = judge(case_launches(drawn, 0), settings).values()
    shows, called = (
        float(np.median([getattr(verdict, name) or 0.0 for verdict in verdicts]))
        for name in ("smallest_detectable_change", "smallest_called_change")
    )
    return shows, called


def single_table(effort: Effort) -> str:
    """Launches of which none may be measured again, with arms of equal and of unlike sizes."""
    pairs = [(rule, world) for world in SINGLE_WORLDS for rule in SINGLE_SHOTS]
    scores = effort.scores(
        [
            job
            for rule, world in pairs
            for job in (
                Job(rule=rule, world=world, runs=scaled(500, effort.scale)),
                Job(rule=rule, world=replace(world, changed=CHANGED, change=0.01), runs=scaled(100, effort.scale)),
            )
        ]
    )
    heads = ["launches", "baseline against candidate", "null runs with a false change", "1 % slower: found"]
    return table(
        [*heads, "passed as unchanged", "interval covers"],
        [
            [
                world.name,
                rule.arms,
                with_bounds(null.false_changes),
                *(percent(share) for share in (changed.found, changed.passed, (null + changed).covered)),
            ]
            for (rule, world), null, changed in zip(pairs, scores[::2], scores[1::2], strict=True)
        ],
    )


def stored_table(effort: Effort) -> str:
    """Stored baselines: sessions that drift, of SSD's published SDs."""
    worlds = [
        [
            World(name=f"stored {drift} {change}", session_drift=drift, change=change, changed=CHANGED if change else 0)
            for change in (0.0, 0.01, 0.07)
        ]
        for drift in (0.0, 0.001, 0.002, 0.005)
    ]
    rules = [Stored(sessions=sessions) for sessions in (5, 10)]
    scores = effort.scores(
        [
            Job(rule=rule, world=world, runs=scaled(60 if world.changed else 200, effort.scale))
            for rule in rules
            for drifting in worlds
            for world in drifting
        ]
    )
    lines = []
    for rule in rules:
        for null, *_ in worlds:
            calm, small, large = (scores.pop(0) for _ in range(3))
            lines.append(
                [
                    f"{rule.sessions}",
                    f"{100 * null.session_drift:g} %",
                    alarms(calm.alarms),
                    f"{percent(calm.cleared)} / {percent(calm.open)}",
                    f"{percent(small.found)} / {percent(small.passed)}",
                    percent(large.found),
                    percent((calm + small + large).covered),
                ]
            )
    heads = ["stored sessions", "SD between sessions", 'null runs with a false "regressed"']
    heads += ["null: unchanged / inconclusive", "1 % slower: called / passed as unchanged", "7 % slower: called"]
    return table([*heads, "interval covers"], lines)


TABLES: dict[str, Callable[[Effort], str]] = {
    "rule": noise_table,
    "worlds": world_table,
    "changes": change_table,
    "detectable": detectable_table,
    "single": single_table,
    "stored": stored_table,
    "nightly": nightly_table,
    "creep": creep_table,
    "peers": peer_table,
}


def _both(rows: Sequence[Row], effort: Effort) -> str:
    scores = effort.scores([job for row in rows for job in row.jobs(effort.scale)])
    lines = []
    for row, null, changed in zip(rows, scores[::2], scores[1::2], strict=True):
        cells = [row.world.name]
        cells += [f"{null.runs:,}", alarms(null.alarms)] if null.runs else ["", ""]
        cells.append(f"{percent(null.cleared)} / {percent(null.open)}" if null.runs else "")
        cells += [f"{changed.runs:,}", *_of_changed(changed), percent((null + changed).covered)]
        lines.append([*cells, launches(null if null.runs else changed)])
    heads = ["launches", "null runs", 'runs with a false "regressed"', "null: unchanged / inconclusive", "runs"]
    heads += ["found", "passed as unchanged", "inconclusive", "interval covers", "launches a case"]
    return table(heads, lines)


def _of_changed(found: Score) -> list[str]:
    return [with_bounds(found.found), with_bounds(found.passed), percent(found.undecided)]
