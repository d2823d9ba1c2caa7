"""Which phase of a step accounts for a change: differences of medians, phase by phase.

Phases are timed one by one with the device waited for between them (`worker.profile`), and a step of a timed region
overlaps them. Where their sum does not show the change of the step, no phase is blamed for it. A few steps a launch
give no interval: this says where to look, and judges nothing.
"""

import math
from collections.abc import Sequence
from itertools import accumulate
from statistics import median

from ssdbench.analysis.metrics import figure
from ssdbench.analysis.verdicts.wording import trimmed_mean
from ssdbench.schema.record import Measurement
from ssdbench.schema.report import PhasePair
from ssdbench.schema.text import milliseconds

LARGEST_GAP = 0.5
"""Share of the step's change that its phases may miss, or exceed it by, and still explain it."""
ENOUGH = 0.8
"""Share of the change from which on no further phase is named."""


def phase_pairs(baseline: Sequence[Measurement], measured: Sequence[Measurement]) -> tuple[PhasePair, ...]:
    """The phases of a step on both sides, in their order: medians over launches of the medians of each."""
    there, here = _medians(baseline), _medians(measured)
    return tuple(PhasePair(name=name, baseline=there.get(name), candidate=here.get(name)) for name in {**here, **there})


def why(baseline: Sequence[Measurement], measured: Sequence[Measurement], trim: float) -> str:
    """`explanation` of the change between two sets of launches, whose step times are trimmed means as in verdicts."""
    there, here = (_step_seconds(launches, trim) for launches in (baseline, measured))
    change = here - there if there is not None and here is not None else None
    return explanation(phase_pairs(baseline, measured), change)


def explanation(phases: Sequence[PhasePair], step_change_seconds: float | None) -> str:
    """A sentence on where a change of the step time lies; empty where the phases of either side are not known."""
    changes = {p.name: p.candidate - p.baseline for p in phases if p.candidate is not None and p.baseline is not None}
    if len(changes) < max(2, len(phases)) or not step_change_seconds:
        return ""
    total = math.fsum(changes.values())
    if abs(total - step_change_seconds) > LARGEST_GAP * abs(step_change_seconds):
        return (
            f"a step takes {milliseconds(step_change_seconds)}, its phases one by one {milliseconds(total)}: "
            "the change does not lie in a phase, but in how they overlap or in the noise"
        )
    shares = sorted(((change / total, name) for name, change in changes.items()), reverse=True)
    needed = sum(reached < ENOUGH for reached in accumulate(share for share, _ in shares)) + 1
    named = [
        f"{name}{' has' if n == 0 else ''} {_part(changes[name], share)}" for n, (share, name) in enumerate(shares)
    ]
    return f"of {milliseconds(total)} a step, {', '.join(named[:needed])}"


def _step_seconds(measurements: Sequence[Measurement], trim: float) -> float | None:
    found = (figure("latency_mean", measurement) for measurement in measurements)
    return trimmed_mean([value for value in found if value is not None], trim)


def _medians(measurements: Sequence[Measurement]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for measurement in measurements:
        for phase in measurement.phases:
            if phase.seconds and all(map(math.isfinite, phase.seconds)):
                found.setdefault(phase.name, []).append(median(phase.seconds))
    return {name: median(values) for name, values in found.items()}


def _part(seconds: float, share: float) -> str:
    return f"{milliseconds(seconds)} ({100 * share:.0f}%)"
