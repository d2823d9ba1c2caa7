"""The worlds that are scored, and their scores as Markdown tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.verdicts.rules import PEERS, Interleaved, Rule, SingleShot, Stored
from benchmarks.verdicts.score import Score, Share, score
from benchmarks.verdicts.world import Supply, World
from ssdbench.schema.settings import Settings

SEED = 20_260_105
CHANGED = 5
OURS = Interleaved()
WIDE_MARGIN = Interleaved(settings=Settings(margin=0.02), name="ssdbench, interleaved, margin 2 %")
FEWER_FRESH = Interleaved(settings=Settings(confirm_pair_cap=15), name="ssdbench, interleaved, 15 fresh pairs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A world without and with changed cases, and how many runs of each are simulated."""

    world: World
    null_runs: int
    changed_runs: int
    change: float = 0.01
    rule: Rule = OURS


ROWS: Sequence[Row] = (
    Row(world=World(name="SSD, published SDs"), null_runs=1000, changed_runs=300),
    Row(world=World(name="SSD, 1 % faster"), null_runs=0, changed_runs=100, change=1 / 1.01 - 1),
    Row(world=World(name="SD 0.1 %", launch_sd=0.001), null_runs=300, changed_runs=100),
    Row(world=World(name="SD 0.2 %", launch_sd=0.002), null_runs=300, changed_runs=100),
    Row(world=World(name="SD 0.3 %", launch_sd=0.003), null_runs=300, changed_runs=100),
    Row(world=World(name="SD 0.5 %", launch_sd=0.005), null_runs=2000, changed_runs=200),
    Row(
        world=World(name="SD 0.5 %, at most 15 fresh pairs", launch_sd=0.005),
        null_runs=0,
        changed_runs=200,
        rule=FEWER_FRESH,
    ),
    Row(world=World(name="SD 1 %", launch_sd=0.01), null_runs=200, changed_runs=60),
    Row(world=World(name="SD 8 %", launch_sd=0.08), null_runs=200, changed_runs=40),
    Row(world=World(name="SD 8 %, 20 % slower", launch_sd=0.08), null_runs=0, changed_runs=60, change=0.20),
    Row(world=World(name="SSD, 2 % contaminated", contamination=0.02), null_runs=150, changed_runs=60),
    Row(world=World(name="SSD, 10 % contaminated", contamination=0.10), null_runs=150, changed_runs=60),
    Row(world=World(name="SSD, candidate 3x noisier", candidate_noise=3.0), null_runs=150, changed_runs=60),
    Row(world=World(name="SSD, walk of 0.1 % a launch", walk=0.001), null_runs=150, changed_runs=60),
    Row(world=World(name="RNN-T, published SDs", benchmark="rnnt"), null_runs=150, changed_runs=60),
    Row(world=World(name="U-Net 3D, published SDs", benchmark="unet3d"), null_runs=150, changed_runs=60),
    Row(
        world=World(name="SSD, margin 2 %, 2 % slower"),
        null_runs=100,
        changed_runs=60,
        change=0.02,
        rule=WIDE_MARGIN,
    ),
)
COMPARED: Sequence[Rule] = (OURS, SingleShot(), Stored(), *PEERS)

Progress = Callable[[str], None]


def rule_table(scale: float, progress: Progress) -> str:
    """Ours in all worlds; `scale` multiplies the numbers of runs."""
    lines = [
        '| launches | null runs | runs with a false "regressed" | null: unchanged / inconclusive | runs | '
        "found | passed as unchanged | inconclusive | launches a case |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in ROWS:
        progress(row.world.name)
        null = _scored(row.rule, row.world, row.null_runs, scale)
        changed = replace(row.world, name=f"{row.world.name}, changed", change=row.change, changed=CHANGED)
        lines.append(_line(row, null, _scored(row.rule, changed, row.changed_runs, scale)))
    return "\n".join(lines)


def peer_table(scale: float, progress: Progress) -> str:
    """Our rule and others on SSD's published SDs, with and without drift between sessions."""
    lines = [
        "| rule | false alarm in a null run | the same, sessions 0.2 % apart | 1 % slower: found / passed | "
        "5 % found | 10 % found | launches a case |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for rule in COMPARED:
        progress(rule.name)
        calm, drifting = (World(name=f"drift {drift}", session_drift=drift) for drift in (0.0, 0.002))
        null, drifted = (_scored(rule, world, 300, scale) for world in (calm, drifting))
        found = [
            _scored(rule, World(name=f"{change} slower", change=change, changed=CHANGED), 100, scale)
            for change in (0.01, 0.05, 0.10)
        ]
        assert null
        assert drifted
        assert all(found)
        first, *others = [one.of_changed for one in found if one]
        lines.append(
            f"| {rule.name} | {_percent(null.false_changes)} | {_percent(drifted.false_changes)} | "
            f"{_percent(first['regressed'])} / {_percent(first['unchanged'])} | "
            f"{' | '.join(_percent(other['regressed']) for other in others)} | {null.launches:.1f} |"
        )
    return "\n".join(lines)


def detectable_table(scale: float, progress: Progress) -> str:
    """What becomes of the only change of a run, as large as the smallest detectable one that verdicts state."""
    lines = [
        "| launch SD | stated smallest detectable change | such a change: found | inconclusive |",
        "|--:|--:|--:|--:|",
    ]
    for sd in (0.01, 0.02, 0.08):
        progress(f"smallest detectable change at SD {sd:g}")
        stated = stated_change(sd)
        world = World(name=f"detectable {sd:g}", launch_sd=sd, change=stated, changed=1)
        found = _scored(OURS, world, 300, scale)
        assert found
        shares = found.of_changed
        lines.append(
            f"| {100 * sd:g} % | {100 * stated:.1f} % | {_with_bounds(shares['regressed'])} | "
            f"{_percent(shares['inconclusive'])} |"
        )
    return "\n".join(lines)


def stated_change(launch_sd: float) -> float:
    """The median over a null run's cases."""
    supply = Supply(World(name="null", launch_sd=launch_sd), np.random.default_rng(SEED))
    return float(np.median([verdict.smallest_detectable_change or 0.0 for verdict in OURS.verdicts(supply)]))


def _scored(rule: Rule, world: World, runs: int, scale: float) -> Score | None:
    return score(rule, world, max(2, round(runs * scale)), SEED) if runs else None


def _line(row: Row, null: Score | None, changed: Score | None) -> str:
    cells: list[str] = [row.world.name]
    if null:
        shares = null.of_unchanged
        cells += [f"{null.runs:,}", _alarms(null.alarms)]
        cells.append(f"{_percent(shares['unchanged'])} / {_percent(shares['inconclusive'])}")
    else:
        cells += ["", "", ""]
    assert changed
    found = changed.of_changed
    called = found["improved" if row.change < 0 else "regressed"]
    cells += [str(changed.runs), _with_bounds(called), _with_bounds(found["unchanged"])]
    cells += [_percent(found["inconclusive"]), f"{(null or changed).launches:.1f}"]
    return f"| {' | '.join(cells)} |"


def _alarms(share: Share) -> str:
    return f"{share.count} (< {100 * share.bounds[1]:.2g} %)"


def _with_bounds(share: Share) -> str:
    low, high = share.bounds
    return f"{100 * share.value:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def _percent(share: Share) -> str:
    value = 100 * share.value
    return f"{value:.0f} %" if value == round(value) else f"{value:.1f} %"
