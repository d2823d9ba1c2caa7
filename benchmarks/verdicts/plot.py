"""The plot of docs/verdicts.md: how often each rule calls a slowdown, and what ours says at each noise."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from benchmarks.verdicts.effort import Effort
from benchmarks.verdicts.peers import PEERS
from benchmarks.verdicts.rows import CHANGED, OURS, scaled
from benchmarks.verdicts.rules import Rule
from benchmarks.verdicts.score import Job
from benchmarks.verdicts.world import World

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHANGES = (0.0, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.10, 0.15, 0.20)
SDS = (0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.02, 0.05, 0.08)
DRIFT = 0.002
WORDS = {"regressed": "#c0392b", "inconclusive": "#e0b64c", "unchanged": "#5a8f5a"}

Curves = Mapping[str, Sequence[float] | NDArray[np.float64]]


def power_curves(effort: Effort) -> Curves:
    """Share of changed cases that each rule calls, by change, where sessions lie 0.2 % apart."""
    rules: Sequence[Rule] = (OURS, *PEERS)
    worlds = [
        World(name=f"curve {change:g}", change=change, changed=CHANGED * 4, session_drift=DRIFT) for change in CHANGES
    ]
    scores = effort.scores(
        [Job(rule=rule, world=world, runs=scaled(20, effort.scale)) for rule in rules for world in worlds]
    )
    # Without a change, the false alarms of unchanged cases.
    called = [found.found.value if found.found.total else found.false_changes.value for found in scores]
    return {rule.name: called[number * len(CHANGES) :][: len(CHANGES)] for number, rule in enumerate(rules)}


def answers_by_noise(effort: Effort) -> Curves:
    """What ours says of a 1 % slowdown, by launch SD."""
    worlds = [World(name=f"answers {sd:g}", launch_sds=(sd,), change=0.01, changed=CHANGED) for sd in SDS]
    scores = effort.scores([Job(rule=OURS, world=world, runs=scaled(200, effort.scale)) for world in worlds])
    return {
        "regressed": [found.found.value for found in scores],
        "inconclusive": [found.undecided.value for found in scores],
        "unchanged": [found.passed.value for found in scores],
    }


def draw(curves: Curves, answers: Curves, path: Path) -> None:
    """Write the SVG; equal figures give an equal file."""
    mpl.use("svg")
    from matplotlib import pyplot as plt

    with mpl.rc_context(
        {"svg.hashsalt": "ssdbench", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 5.0), width_ratios=(3, 2), layout="constrained")
        _draw_curves(left, curves)
        _draw_answers(right, answers)
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(figure)


def _draw_curves(axes: "Axes", curves: Curves) -> None:
    shades: Any = mpl.colormaps["tab10"]
    for number, (name, found) in enumerate(curves.items()):
        ours = number == 0
        axes.plot(
            [100 * change for change in CHANGES],
            [100 * share for share in found],
            label=name,
            color="black" if ours else shades(number - 1),
            linewidth=2.5 if ours else 1.2,
            zorder=3 if ours else 2,
        )
    axes.axvline(1, color="0.7", linewidth=0.8, linestyle=":")
    axes.set_xscale("symlog", linthresh=0.5, linscale=0.6)
    axes.set_xticks([0, 0.25, 0.5, 1, 2, 5, 10, 20], ["0", "0.25", "0.5", "1", "2", "5", "10", "20"])
    axes.minorticks_off()
    axes.set(xlim=(0, 20), ylim=(-2, 102), xlabel="true slowdown, %", ylabel='called "regressed", % of cases')
    axes.set_title("SSD launch noise, sessions 0.2 % apart", loc="left")


def _draw_answers(axes: "Axes", answers: Curves) -> None:
    stacked = np.array([answers[word] for word in WORDS]) * 100
    axes.stackplot([100 * sd for sd in SDS], stacked, colors=list(WORDS.values()), alpha=0.9)
    axes.set_xscale("log")
    axes.set_xticks([0.1, 0.2, 0.5, 1, 2, 5, 8], ["0.1", "0.2", "0.5", "1", "2", "5", "8"])
    axes.minorticks_off()
    axes.set(xlim=(0.1, 8), ylim=(0, 100), xlabel="launch SD, %", ylabel="% of the cases that are 1 % slower")
    axes.set_title("ssdbench, interleaved: its answer at +1 %", loc="left")
    axes.text(0.13, 45, "regressed", color="white", weight="bold")
    axes.text(1.7, 45, "inconclusive", weight="bold")
    axes.annotate("unchanged: a wrong pass", (0.42, 98.7), (0.8, 88), arrowprops={"arrowstyle": "-"})
