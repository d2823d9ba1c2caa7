"""Two arms of launches as one contrast: its estimate, standard error and degrees of freedom.

With y = ln(value), turned so that larger is worse whatever the metric's direction,

    estimate  d   difference of the trimmed means, candidate - baseline: d > 0 is worse
    error     SE  of Welch-Yuen (winsorised variances, unequal in the arms), at least noise_floor * sqrt(2 / n)
    freedom   df  of Welch-Yuen, at most that of two arms which both have as many launches as the smaller one

Welch's degrees of freedom are estimated from the launches. Where two or three of one arm happen to lie close together
against twenty of the other, they become those of the twenty: with that, 6 % of intervals of 99 % miss (docs/decisions/
0012-unlike-cases-and-arms.md). Arms of equal sizes, as of all pairs, are far from that bound.

int(trim * n) launches are left out at each end, so none below 5. Yuen, K. K. (1974), The two-sample trimmed t for
unequal population variances, Biometrika 61; Holm, S. (1979), A simple sequentially rejective multiple test procedure,
Scandinavian Journal of Statistics 6. The distributions are scipy's.
"""

import math
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev

from ssdbench.schema.launch_values import Arms
from ssdbench.schema.metrics import Direction, Metric
from ssdbench.schema.settings import Settings

# scipy is imported inside functions: it takes long, and most verbs judge nothing.


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """`estimate`, `error` and `freedom` as above; `launches` per arm (of uneven arms the harmonic mean).

    `varies` is False where all launches of the baseline that trimming leaves are equal, and all of the candidate as
    well.
    """

    estimate: float
    error: float
    freedom: float
    launches: float
    varies: bool = True

    def half_width(self, confidence: float) -> float:
        """Half of the two-sided interval of this confidence."""
        return quantile((1 + confidence) / 2, self.freedom) * self.error

    def p_beyond(self, shift: float = 0.0) -> float:
        """One-sided p of "the difference is at most `shift`"."""
        return tail((self.estimate - shift) / self.error, self.freedom)

    def mirrored(self) -> "Contrast":
        """The same with the arms swapped."""
        return Contrast(
            estimate=-self.estimate,
            error=self.error,
            freedom=self.freedom,
            launches=self.launches,
            varies=self.varies,
        )


def contrasts(arms: Sequence[tuple[Metric, Arms]], settings: Settings) -> list[Contrast]:
    """The contrast of each pair of arms; both hold at least two positive finite values.

    Arms of equal lengths are computed in one call, so that a hundred cases take hardly longer than a few.
    """
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, (_, values) in enumerate(arms):
        groups[len(values.baseline), len(values.candidate)].append(index)
    found: dict[int, Contrast] = {}
    for indices in groups.values():
        found.update(zip(indices, _of_equal_lengths([arms[index] for index in indices], settings), strict=True))
    return [found[index] for index in range(len(arms))]


def worse(metric: Metric, value: float) -> float:
    """ln(value), turned so that larger is worse."""
    return math.log(value) if metric.direction is Direction.LOWER_IS_BETTER else -math.log(value)


def _of_equal_lengths(arms: Sequence[tuple[Metric, Arms]], settings: Settings) -> list[Contrast]:
    import numpy as np
    from scipy import stats

    baseline = np.array([[worse(metric, value) for value in values.baseline] for metric, values in arms])
    candidate = np.array([[worse(metric, value) for value in values.candidate] for metric, values in arms])
    centres = [stats.trim_mean(side, settings.trim, axis=1) for side in (baseline, candidate)]
    # Both arms are moved to a difference of exactly 1, so that t is 1 / SE: d / t would lose SE where d is 0, and what
    # the plan sees of the launches is their spread and nothing else.
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of arms without spread, whose error is the floor
        moved = stats.ttest_ind(
            candidate - centres[1][:, None] + 1.0,
            baseline - centres[0][:, None],
            axis=1,
            equal_var=False,
            trim=settings.trim,
        )
        errors = 1.0 / moved.statistic
    sizes = baseline.shape[1], candidate.shape[1]
    size = 2 / (1 / sizes[0] + 1 / sizes[1])
    most_freedom = 2.0 * min(number - 2 * int(settings.trim * number) - 1 for number in sizes)
    floor = settings.noise_floor * math.sqrt(2 / size)
    spread = [varies(values, settings.trim) for _, values in arms]
    return [
        Contrast(
            estimate=float(centres[1][row] - centres[0][row]),
            error=max(float(errors[row]), floor),
            # Of launches that differ by less than their logarithms can tell, scipy's degrees of freedom are no number.
            freedom=min(float(moved.df[row]), most_freedom)
            if spread[row] and math.isfinite(moved.df[row])
            else most_freedom,
            launches=size,
            varies=spread[row],
        )
        for row in range(len(arms))
    ]


def _varies(values: Sequence[float], trim: float) -> bool:
    cut = int(trim * len(values))
    return len(set(sorted(values)[cut : len(values) - cut])) > 1


def varies(arms: Arms, trim: float) -> bool:
    """Whether the launches of any side that trimming leaves differ."""
    return any(_varies(side, trim) for side in (arms.baseline, arms.candidate))


def prediction(metric: Metric, arms: Arms, settings: Settings) -> Contrast:
    """One launch on a side against at least three on the other, whose spread is used for both.

    error = s * sqrt(1 + 1/n) with n - 1 degrees of freedom: the prediction interval of a single launch.
    """
    many, one = sorted(
        ([worse(metric, value) for value in side] for side in (arms.baseline, arms.candidate)), key=len, reverse=True
    )
    found = of_units(many, one, settings.noise_floor)
    return found if len(arms.candidate) == 1 else found.mirrored()


def of_units(baseline: Sequence[float], candidate: Sequence[float], least: float) -> Contrast:
    """Means of units (launches, or session means) whose spread is known from the baseline alone; at least `least`."""
    mean = math.fsum(baseline) / len(baseline)
    return Contrast(
        estimate=math.fsum(candidate) / len(candidate) - mean,
        error=max(stdev(baseline), least) * math.sqrt(1 / len(baseline) + 1 / len(candidate)),
        freedom=len(baseline) - 1,
        launches=len(baseline),
        varies=len(set(baseline)) > 1,
    )


def quantile(probability: float, freedom: float) -> float:
    """Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def tail(t: float, freedom: float) -> float:
    """P(T > t) of Student's t."""
    from scipy.special import stdtr

    return float(stdtr(freedom, -t))


def f_tail(ratio: float, numerator: float, denominator: float) -> float:
    """P(F > ratio) of Fisher's F."""
    from scipy.special import fdtrc

    return float(fdtrc(numerator, denominator, ratio))


def holm(p_values: Mapping[str, float], alpha: float) -> set[str]:
    """The hypotheses that Holm's step-down test rejects with a family-wise error of `alpha`; p-values are in [0, 1]."""
    rejected: set[str] = set()
    for name, p in sorted(p_values.items(), key=lambda item: item[1]):
        if p > alpha / (len(p_values) - len(rejected)):
            break
        rejected.add(name)
    return rejected
