"""Loss curves against the baseline's: the rule of the end of training on windows of epochs, to be read only.

No public set of loss curves over seeds was found to calibrate it, so no verdict rests on it.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from ssdbench.analysis.convergence.rule import shift_of, status_of
from ssdbench.schema.convergence import ConvergenceSettings, SeedDistribution
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import Status

WINDOWS = 8


def loss_findings(
    trainings: Sequence[Training], distribution: SeedDistribution, settings: ConvergenceSettings
) -> tuple[str, ...]:
    """A sentence for each of eight windows of epochs in which the mean loss is not that of the baseline's seeds.

    Windows are equal shares of the epochs; where a mean loss is not positive, which no sound loss is, there is none.
    """
    found = []
    for first, last in _windows(distribution.seeds[0].epochs):
        there = [_mean_log_loss(seed, first, last) for seed in distribution.seeds]
        here = [_mean_log_loss(training, first, last) for training in trainings]
        if not all(map(math.isfinite, there + here)):
            continue
        # The rule takes higher values for better; of a loss the lower ones are.
        shift = shift_of([-value for value in there], [-value for value in here])
        status = status_of(shift, settings)
        if status in (Status.REGRESSED, Status.IMPROVED):
            word = "higher" if status is Status.REGRESSED else "lower"
            size = f"{100 * abs(math.expm1(shift.drop)):.1f}%"
            found.append(f"mean loss of epochs {first} to {last} is {size} {word} than the baseline's seeds explain")
    return tuple(found)


def _windows(epochs: int) -> list[tuple[int, int]]:
    count = min(WINDOWS, epochs)
    edges = [round(number * epochs / count) for number in range(count + 1)]
    return [(first, after - 1) for first, after in pairwise(edges)]


def _mean_log_loss(training: Training, first: int, last: int) -> float:
    losses = [result.mean_loss for result in training.results[first : last + 1]]
    return fmean(math.log(loss) if loss > 0 else math.nan for loss in losses)
