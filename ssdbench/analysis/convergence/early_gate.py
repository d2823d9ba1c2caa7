"""The early gate: stop a training that has failed grossly, before it ends. It can fail a run, and never passes one.

With r = mean of ln AP over the evaluations so far, the gate fires where the candidate lies below what one more seed of
the baseline could show:

    mean(r of the baseline) - r > t[1 - alpha / looks, N - 1] * s * sqrt(1 + 1/N)

AP before the last decay says nearly nothing of the final AP, and seeds lie 2 to 3 % apart there: only a gross failure
can be found. Which one is computed (noncentral t at the observed s) and printed. Evaluations count from the one on at
which every seed of the baseline is above `COLLAPSE_FLOOR`: the logarithm of an AP near 0 is noise.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from ssdbench.analysis.convergence.comparability import COLLAPSE_FLOOR, comparability_fault, lowest_aps
from ssdbench.analysis.convergence.judge import mean_log_ap, unjudged
from ssdbench.analysis.convergence.rule import Shift, shift_of
from ssdbench.analysis.convergence.seeds import asked_evaluations
from ssdbench.analysis.verdicts.contrast import quantile
from ssdbench.schema.convergence import (
    DEFAULT_CONVERGENCE_SETTINGS,
    ConvergenceSettings,
    ConvergenceVerdict,
    SeedDistribution,
    SeedResult,
)
from ssdbench.schema.text import percent
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
    there = [mean_log_ap(seed, epochs) for seed in distribution.seeds]
    shifts = [shift_of(there, [mean_log_ap(training, epochs)]) for training in trainings]
    worst = max(range(len(shifts)), key=lambda number: shifts[number].drop)
    return _verdict(blank, shifts[worst], trainings[worst].seed, distribution, there)


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


def _verdict(
    blank: ConvergenceVerdict, shift: Shift, seed: int, distribution: SeedDistribution, there: Sequence[float]
) -> ConvergenceVerdict:
    settings = blank.settings
    confidence = gate_confidence(distribution, settings)
    reach = shift.half_width(confidence)
    if shift.sd == 0:
        return replace(blank, sentence="all seeds of the baseline are exactly equal: that is no distribution")
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
        baseline_ap=math.exp(fmean(there)),
        candidate_ap=math.exp(fmean(there) - shift.drop),
        smallest_detectable_drop=detectable,
        detection_power=settings.gate_power,
    )
