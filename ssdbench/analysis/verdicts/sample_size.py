"""How many pairs of launches a case needs: sample-size re-estimation from the spread, never from the estimate.

With t(p) the quantile of Student's t at the contrast's degrees of freedom and m = ln(1 + margin),

    n = 3 pairs, then  while (t(1 - alpha) + t(plan power)) * SE > m  and n < 15, at most 3 times:
        n = max(n + 2, the least n' with (t'(1 - alpha) + t'(plan power)) * SE * sqrt(n / n') <= m)

t' has 2 (h' - 1) degrees of freedom, h' the launches that trimming leaves of n'. Because the means never enter, a plan
cannot stop at a result that it prefers: looking at the verdict after every pair would raise the false alarms fivefold.
`confirm` may take 18 pairs, because its level is divided among the flagged cases (docs/decisions/0003-verdict-rule.md).
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from ssdbench.analysis.verdicts.contrast import Contrast, contrasts, quantile
from ssdbench.schema.launch_values import Arms
from ssdbench.schema.metrics import Metric
from ssdbench.schema.settings import Settings

MOST_PAIRS = 100_000
"""Where more would be needed, no number is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlan:
    """A stage of a case: the pairs its plan asks for, those used of what was measured, and their contrast.

    `contrast` is None below two pairs.
    """

    pairs: int
    used: Arms
    contrast: Contrast | None

    @property
    def wanted(self) -> int:
        """Pairs still to be measured."""
        return self.pairs - self.used.pairs


def plan(cases: Sequence[tuple[Metric, Arms]], settings: Settings, alpha: float, cap: int) -> list[PairPlan]:
    """The plan of each case, replayed from its first pairs: the same launches give the same plan.

    `alpha` is the level of the stage, `cap` the most pairs it may take; all values are positive and finite.
    """
    pairs = [settings.first_pairs] * len(cases)
    found: dict[tuple[int, int], Contrast] = {}
    open_cases = list(range(len(cases)))
    for _ in range(settings.replans):
        open_cases = [case for case in open_cases if pairs[case] <= min(cases[case][1].pairs, cap - 1)]
        _contrast(cases, {case: pairs[case] for case in open_cases}, found, settings)
        still_open = []
        for case in open_cases:
            more = _replanned(found[case, pairs[case]], pairs[case], settings, alpha, cap)
            if more > pairs[case]:
                pairs[case] = more
                still_open.append(case)
        open_cases = still_open
    used = {case: min(pairs[case], arms.pairs) for case, (_, arms) in enumerate(cases)}
    _contrast(cases, {case: number for case, number in used.items() if number >= 2}, found, settings)
    return [
        PairPlan(pairs=pairs[case], used=arms.first(used[case]), contrast=found.get((case, used[case])))
        for case, (_, arms) in enumerate(cases)
    ]


def required_pairs(contrast: Contrast, settings: Settings, alpha: float) -> int | None:
    """The least number of pairs at which this spread decides on a change of the margin; None beyond `MOST_PAIRS`."""
    numbers = range(settings.pilot_pairs, MOST_PAIRS + 1)
    place = bisect_left(numbers, True, key=lambda number: _will_suffice(contrast, number, settings, alpha))
    return numbers[place] if place < len(numbers) else None


def pairs_at_spread(sd: float, settings: Settings) -> int | None:
    """The least number of pairs that decides on a change of the margin where launches have this relative SD."""
    pairs = settings.pilot_pairs
    error = max(sd, settings.noise_floor) * math.sqrt(2 / pairs)
    contrast = Contrast(estimate=0.0, error=error, freedom=2 * (pairs - 1), launches=pairs)
    return required_pairs(contrast, settings, settings.alpha)


def _replanned(contrast: Contrast, pairs: int, settings: Settings, alpha: float, cap: int) -> int:
    if _suffices(contrast.error, contrast.freedom, settings, alpha):
        return pairs
    larger = range(pairs + 1, cap)
    least = next((number for number in larger if _will_suffice(contrast, number, settings, alpha)), cap)
    return min(cap, max(pairs + 2, least))


def _will_suffice(contrast: Contrast, pairs: int, settings: Settings, alpha: float) -> bool:
    freedom = 2 * (pairs - 2 * int(settings.trim * pairs) - 1)
    return _suffices(contrast.error * math.sqrt(contrast.launches / pairs), freedom, settings, alpha)


def _suffices(error: float, freedom: float, settings: Settings, alpha: float) -> bool:
    return (quantile(1 - alpha, freedom) + quantile(settings.plan_power, freedom)) * error <= math.log1p(
        settings.margin
    )


def _contrast(
    cases: Sequence[tuple[Metric, Arms]],
    pairs: dict[int, int],
    found: dict[tuple[int, int], Contrast],
    settings: Settings,
) -> None:
    missing = [(case, number) for case, number in pairs.items() if (case, number) not in found]
    asked = [(cases[case][0], cases[case][1].first(number)) for case, number in missing]
    found.update(zip(missing, contrasts(asked, settings), strict=True))
