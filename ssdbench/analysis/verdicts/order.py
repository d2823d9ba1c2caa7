"""What its place in a pair does to a launch: how much slower the second launch of a pair is than the first.

With y = ln(value), turned so that larger is worse, d = y(second launch) - y(first launch) of a pair is the order effect
plus the difference of the builds where the candidate was second, and minus that difference where the baseline was. Of
the n pairs of a case the candidate is second in n1, the baseline in n2:

    effect  e   (mean of the n1 differences + mean of the n2 differences) / 2
    error   SE  s / 2 * sqrt(1 / n1 + 1 / n2), s the SD of d about these two means, with n - 2 degrees of freedom

The difference of the builds cancels, whatever n1 and n2 are. Over the cases of a run e is their mean with the weights
w = 1 / (1 / n1 + 1 / n2), and SE = s / (2 * sqrt(sum of w)) with s pooled over the cases. Nothing is trimmed: a launch
with a noisy neighbour widens the interval, and then nothing is said.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from ssdbench.analysis.verdicts.contrast import quantile, worse
from ssdbench.schema.launch_values import Arms, CaseLaunches, LaunchesByCase
from ssdbench.schema.settings import Settings
from ssdbench.schema.text import interval, percent, pluralize
from ssdbench.schema.verdict import Comparison, OrderEffect

_SHARE_OF_MARGIN = 1 / 3
"""What an odd number of pairs leaves of a smaller effect is far below the margin."""


def with_order_effect(comparison: Comparison, run: LaunchesByCase) -> Comparison:
    """The comparison with the order effect of each case and of the whole run; `run` has the launches of its cases.

    Where the run has none that is large, a large one of a single case is a note of that case.
    """
    settings = comparison.settings
    by_case, whole = order_effects(run, settings), order_effect(run, settings)
    cases = []
    for case in comparison.cases:
        effect = by_case.get(case.case_key)
        notes = [effect.sentence] if effect and effect.sentence and not (whole and whole.sentence) else []
        cases.append(replace(case, order_effect=effect, notes=(*case.notes, *notes)))
    return replace(comparison, cases=tuple(cases), order_effect=whole)


def order_effects(run: LaunchesByCase, settings: Settings) -> dict[str, OrderEffect]:
    """The order effect of each case that has both orders and at least three pairs.

    A sentence has to hold at alpha / number of cases, since one of a hundred cases always looks odd.
    """
    found = {key: _effect([pairs], settings, len(run)) for key, case in run.items() if (pairs := _Pairs.of(case))}
    return {key: effect for key, effect in found.items() if effect}


def order_effect(run: LaunchesByCase, settings: Settings) -> OrderEffect | None:
    """The order effect over all pairs of a run; None if they are too few."""
    return _effect([pairs for case in run.values() if (pairs := _Pairs.of(case))], settings, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairs:
    """The differences of a case's pairs: `candidate_second` n1 of them, `baseline_second` n2."""

    candidate_second: tuple[float, ...]
    baseline_second: tuple[float, ...]
    alternates: bool

    @staticmethod
    def of(case: CaseLaunches) -> "_Pairs | None":
        """None where not both orders are known of values that can be."""
        second: dict[bool, list[float]] = {True: [], False: []}
        for arms in (case.measure, case.confirm):
            for baseline, candidate, is_first in zip(
                arms.baseline, arms.candidate, arms.candidate_is_first, strict=False
            ):
                if not (0 < baseline < math.inf and 0 < candidate < math.inf):
                    return None
                difference = worse(case.metric, candidate) - worse(case.metric, baseline)
                second[not is_first].append(-difference if is_first else difference)
        if not (second[True] and second[False]):
            return None
        return _Pairs(
            candidate_second=tuple(second[True]),
            baseline_second=tuple(second[False]),
            alternates=_alternates(case.measure) and _alternates(case.confirm),
        )

    @property
    def weight(self) -> float:
        """w, see above."""
        return 1 / (1 / len(self.candidate_second) + 1 / len(self.baseline_second))

    @property
    def effect(self) -> float:
        """e, see above."""
        return (fmean(self.candidate_second) + fmean(self.baseline_second)) / 2

    @property
    def freedom(self) -> int:
        """Degrees of freedom."""
        return len(self.candidate_second) + len(self.baseline_second) - 2

    @property
    def squares(self) -> float:
        """The sum of squares about both means."""
        return math.fsum(
            (value - fmean(side)) ** 2 for side in (self.candidate_second, self.baseline_second) for value in side
        )


def _alternates(arms: Arms) -> bool:
    candidate_first = sum(arms.candidate_is_first)
    return abs(2 * candidate_first - len(arms.candidate_is_first)) <= 1


def _effect(cases: Sequence[_Pairs], settings: Settings, tests: int) -> OrderEffect | None:
    """Over these cases; `tests` is how many such effects are looked at."""
    freedom = sum(case.freedom for case in cases)
    if not freedom:
        return None
    weight = math.fsum(case.weight for case in cases)
    effect = math.fsum(case.weight * case.effect for case in cases) / weight
    spread = max(math.sqrt(math.fsum(case.squares for case in cases) / freedom), math.sqrt(2) * settings.noise_floor)
    error = spread / (2 * math.sqrt(weight))
    reach = quantile(1 - settings.alpha / 2, freedom) * error
    found = OrderEffect(
        slower=_relative(effect),
        low=_relative(effect - reach),
        high=_relative(effect + reach),
        pairs=sum(case.freedom + 2 for case in cases),
        cases=len(cases),
    )
    is_large = abs(effect) >= _SHARE_OF_MARGIN * math.log1p(settings.margin)
    is_certain = abs(effect) > quantile(1 - settings.alpha / tests / 2, freedom) * error
    if not (is_large and is_certain):
        return found
    return replace(found, sentence=_sentence(found, sum(not case.alternates for case in cases), settings))


def _sentence(effect: OrderEffect, uneven: int, settings: Settings) -> str:
    least, most = interval(effect.low, effect.high)
    confidence = f"{100 * (1 - settings.alpha):g}% interval {least.removesuffix('%')} to {most}"
    over = f", {pluralize(effect.cases, 'case')}" if effect.cases > 1 else ""
    seen = (
        f"the second launch of a pair is {percent(abs(effect.slower))} {'slower' if effect.slower > 0 else 'faster'} "
        f"than the first ({confidence}{over}): heat, clocks or caches"
    )
    if uneven:
        where = f"in {pluralize(uneven, 'case')} " if effect.cases > 1 else ""
        return f"{seen}; {where}one build was second more often, which may look like a change: measure again"
    return (
        f"{seen}; the order alternates, so it favours neither build, but it takes more launches: "
        "lock the clocks, or let the machine rest between launches"
    )


def _relative(log_ratio: float) -> float:
    return math.expm1(min(log_ratio, 700.0))  # beyond, a float overflows
