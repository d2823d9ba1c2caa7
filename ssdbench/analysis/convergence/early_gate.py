"""The early gate: stop a training that has failed grossly, before it ends. It can fail a run, and never passes one.

With r = weighted mean of ln AP over the evaluations so far, the gate fires where the candidate lies below what one more
seed of the baseline could show:

    mean(r of the baseline) - r > t[1 - alpha / looks, N - 1] * s * sqrt(1 + 1/N)

An evaluation weighs the more, the less the baseline's seeds differ at it; `weighting` has the weights and s. AP before
the last decay says nearly nothing of the final AP, and seeds lie 2 to 3 % apart there: only a gross failure can be
found. Which one is computed (noncentral t at the observed s) and printed. Evaluations count from the one on at which
every seed of the baseline is above `COLLAPSE_FLOOR`: the logarithm of an AP near 0 is noise.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from ssdbench.analysis.convergence.comparability import COLLAPSE_FLOOR, comparability_fault, lowest_aps
from ssdbench.analysis.convergence.judge import unjudged
from ssdbench.analysis.convergence.rule import Shift
from ssdbench.analysis.convergence.seeds import aps, asked_evaluations
from ssdbench.analysis.convergence.weighting import baseline_weights, prediction_sd
from ssdbench.analysis.verdicts.contrast import quantile
from ssdbench.schema.convergence import (
    DEFAULT_CONVERGENCE_SETTINGS,
    ConvergenceSettings,
    ConvergenceVerdict,
    SeedDistribution,
    SeedResult,
)
from ssdbench.schema.text import percent
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import Status


def judge_early(
    candidates: Sequence[SeedResult],
    distribution: SeedDistribution,
    epoch: int,
    settings: ConvergenceSettings = DEFAULT_CONVERGENCE_SETTINGS,
) -> ConvergenceVerdict:
    """The gate on each candidate by itself; the verdict is that of the worst one."""
    blank = replace(unjudged(distribution, len(candidates), settings), epoch=epoch, margin=None)
    if found := comparability_fault(candidates, distribution, until=epoch):
        return replace(blank, status=found[0], sentence=found[1])
    epochs = gate_epochs(distribution, epoch)
    if not epochs:
        had = f"no evaluation up to epoch {epoch} at which every seed of the baseline was above AP {COLLAPSE_FLOOR:g}"
        return replace(blank, sentence=f"there is {had}; look later")
    trainings = [candidate.training for candidate in candidates if candidate.training is not None]
    curves = [_log_aps(seed, epochs) for seed in distribution.seeds]
    if all(curve == curves[0] for curve in curves):
        return replace(blank, sentence="all seeds of the baseline are exactly equal: that is no distribution")
    shifts = [_shift_of(curves, _log_aps(training, epochs)) for training in trainings]
    worst = max(range(len(shifts)), key=lambda number: shifts[number][0].drop)
    shift, mean = shifts[worst]
    return _verdict(blank, shift, mean, trainings[worst].seed, gate_confidence(distribution, settings))


def gate_epochs(distribution: SeedDistribution, epoch: int) -> list[int]:
    """The evaluations that a look after `epoch` rests on."""
    lowest = lowest_aps(distribution)
    asked = asked_evaluations(distribution.seeds[0])
    return [each for each in asked if each <= epoch and lowest[each] > COLLAPSE_FLOOR]


def gate_confidence(distribution: SeedDistribution, settings: ConvergenceSettings) -> float:
    """Confidence of one look: its share of the error that all looks may have together."""
    looks = max(settings.gate_looks, len(asked_evaluations(distribution.seeds[0])))
    return 1 - settings.gate_alpha / looks


def found_with(power: float, shift: Shift, confidence: float) -> float:
    """The relative drop at which the gate fires with this chance, were the observed spread the true one."""
    from scipy.optimize import brentq
    from scipy.special import nctdtr

    limit = quantile(confidence, shift.freedom)
    # In t's of nctdtr at least half lie below its noncentrality, and it falls from nearly 1 at 0.
    centre = float(brentq(lambda c: float(nctdtr(shift.freedom, c, limit)) - (1 - power), 0.0, 10 * limit))
    return -math.expm1(-centre * shift.error)


def _log_aps(training: Training, epochs: Sequence[int]) -> list[float]:
    curve = aps(training)
    return [math.log(curve[epoch]) for epoch in epochs]


def _shift_of(curves: Sequence[Sequence[float]], candidate: Sequence[float]) -> tuple[Shift, float]:
    """The weighted drop of one candidate, and the baseline's weighted mean of ln AP."""
    import numpy as np

    baseline = np.array(curves)
    weights = baseline_weights(baseline)
    mean = float(baseline.mean(axis=0) @ weights)
    shift = Shift(
        drop=mean - float(np.array(candidate) @ weights),
        baseline_sd=float(prediction_sd(baseline)),
        candidate_sd=None,
        baseline=len(curves),
        candidates=1,
    )
    return shift, mean


def _verdict(blank: ConvergenceVerdict, shift: Shift, mean: float, seed: int, confidence: float) -> ConvergenceVerdict:
    settings = blank.settings
    reach = shift.half_width(confidence)
    fires = shift.drop > reach
    detectable = found_with(settings.gate_power, shift, confidence)
    change, least = (percent(math.expm1(-drop), 2, sign="+") for drop in (shift.drop, reach))
    so_far = f"seed {seed}: AP so far {change} from the baseline's; the gate fires below {least}"
    power = f"a drop of {100 * detectable:.1f}% is found with {100 * settings.gate_power:.0f}%"
    advice = "stop it" if fires else "it does not fire and never passes, so train to the end"
    return replace(
        blank,
        status=Status.REGRESSED if fires else Status.INCONCLUSIVE,
        sentence=f"{so_far} ({power}): {advice}",
        change=math.expm1(-shift.drop),
        low=math.expm1(-shift.drop - reach),
        high=math.expm1(-shift.drop + reach),
        baseline_ap=math.exp(mean),
        candidate_ap=math.exp(mean - shift.drop),
        smallest_detectable_drop=detectable,
        detection_power=settings.gate_power,
    )
