"""A contrast as a verdict: relative changes of the value as measured, and a sentence for people."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ssdbench.analysis.verdicts.contrast import Contrast, prediction, quantile
from ssdbench.schema.launch_values import Arms
from ssdbench.schema.metrics import Direction, Metric
from ssdbench.schema.settings import Settings
from ssdbench.schema.text import LARGEST_OPEN_CHANGE, interval, percent, pluralize
from ssdbench.schema.verdict import Mode, Status, Verdict

MOST_USEFUL_PAIRS = 1000
"""More pairs than this are never measured: beyond it a sentence gives no number."""

EQUAL_LAUNCHES = (
    "apart from trimmed ones, the launches of each side are exactly equal, which real launches never are: give the "
    "values with all their digits, or check the timer"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The input of one case's verdict; `used` are the launches from which its numbers come."""

    metric: Metric
    mode: Mode
    settings: Settings
    used: Arms
    baseline_launches: int
    candidate_launches: int
    confirm_pairs: int = 0

    def open_verdict(self, reason: str, launches_needed: int | None = None) -> Verdict:
        """Inconclusive, without bounds."""
        there, here = (trimmed_mean(side, self.settings.trim) for side in (self.used.baseline, self.used.candidate))
        return Verdict(
            status=Status.INCONCLUSIVE,
            metric=self.metric.name,
            sentence=reason,
            settings=self.settings,
            mode=self.mode,
            baseline_value=there,
            candidate_value=here,
            change=None if there is None or here is None else _relative(math.log(here) - math.log(there)),
            baseline_launches=self.baseline_launches,
            candidate_launches=self.candidate_launches,
            confirm_pairs=self.confirm_pairs,
            launches_needed=launches_needed,
        )

    def verdict(
        self,
        status: Status,
        contrast: Contrast,
        because: str,
        *,
        detectable: float,
        launches_needed: int | None,
        called: float | None = None,
        has_interval: bool = True,
    ) -> Verdict:
        """`because` follows the change and its interval.

        `detectable` and `called`, the least that shows and that is called (None: the same), are differences of
        logarithms.
        Without `has_interval` there are no bounds: the error of `contrast` is not that of the change.
        """
        low, high = bounds(self.metric, contrast, self.settings) if has_interval else (None, None)
        sign = 1 if self.metric.direction is Direction.LOWER_IS_BETTER else -1
        judged = replace(
            self.open_verdict("", launches_needed),
            status=status,
            change=_relative(sign * contrast.estimate),
            low=low,
            high=high,
            smallest_detectable_change=_relative(detectable),
            smallest_called_change=max(self.settings.margin, _relative(detectable if called is None else called)),
        )
        return replace(judged, sentence=f"{_changed(self.metric, judged)}{because}")


def bounds(metric: Metric, contrast: Contrast, settings: Settings) -> tuple[float, float]:
    """The interval of the relative change, at a confidence of 1 - alpha."""
    reach = contrast.half_width(1 - settings.alpha)
    sign = 1 if metric.direction is Direction.LOWER_IS_BETTER else -1
    centre = sign * contrast.estimate
    return _relative(centre - reach), _relative(centre + reach)


def trimmed_mean(values: Sequence[float], trim: float) -> float | None:
    """Geometric trimmed mean of the positive finite values; None without any."""
    logs = sorted(math.log(value) for value in values if 0 < value < math.inf)
    cut = int(trim * len(logs))
    kept = logs[cut : len(logs) - cut]
    return math.exp(math.fsum(kept) / len(kept)) if kept else None


def detectable_change(contrast: Contrast, alpha: float, power: float) -> float:
    """The least difference of logarithms that a test at `alpha` finds: (t(1 - alpha) + t(power)) * SE."""
    return (quantile(1 - alpha, contrast.freedom) + quantile(power, contrast.freedom)) * contrast.error


def why_unusable(metric: Metric, sides: Arms, settings: Settings) -> str | None:
    """Why these launches allow no verdict, whatever their values are; None where they allow one."""
    for side, values in (("candidate", sides.candidate), ("baseline", sides.baseline)):
        for value in values:
            if not 0 < value < math.inf:
                unit = f" {metric.unit}" if metric.unit else ""
                return (
                    f"a {side} launch has a {metric.title} of {value:g}{unit}, which is impossible: "
                    "its times are wrong, measure it again"
                )
    candidate, baseline = len(sides.candidate), len(sides.baseline)
    if min(candidate, baseline) < settings.minimum_launches:
        return (
            f"{launches(candidate)} against {launches(baseline)} of the baseline: a verdict needs at least "
            f"{settings.minimum_launches} on each side"
        )
    return None


def too_few(evidence: Evidence) -> Verdict:
    """The verdict where `why_unusable` gives a reason: one launch against three or more still has its interval."""
    metric, settings, used = evidence.metric, evidence.settings, evidence.used
    answer = evidence.open_verdict(why_unusable(metric, used, settings) or "", settings.minimum_launches)
    possible = all(0 < value < math.inf for value in used.baseline + used.candidate)
    few, many = sorted((len(used.baseline), len(used.candidate)))
    if not possible or few != 1 or many < 3:
        return answer
    contrast = prediction(metric, used, settings)
    low, high = bounds(metric, contrast, settings)
    sign = 1 if metric.direction is Direction.LOWER_IS_BETTER else -1
    detectable = _relative(detectable_change(contrast, settings.alpha, settings.power))
    change = _relative(sign * contrast.estimate)
    called = max(settings.margin, detectable)
    return replace(
        answer, change=change, low=low, high=high, smallest_detectable_change=detectable, smallest_called_change=called
    )


def inconclusive_text(settings: Settings, detectable: float, needed: int | None) -> str:
    """The clause of an interval that decides nothing."""
    margin = f"{100 * settings.margin:g}%"
    return (
        f": neither within the margin of {margin} nor surely beyond it; with this spread "
        f"{_missed_text(_relative(detectable))} can go unnoticed, {needed_text(needed)} would decide on {margin}"
    )


def open_by_ranks_text(settings: Settings) -> str:
    """The clause of an interval that is within the margin, where the rank-sum test does not agree."""
    return (
        f": its interval is within the margin of {100 * settings.margin:g}%, but the ranks of the launches do not "
        "exclude a change of that size, as happens where a machine switches between two clock states"
    )


def needed_text(pairs_needed: int | None) -> str:
    """`about 12 pairs`; a number that nobody can measure, or None, is `more than 1,000 pairs`."""
    if pairs_needed is None or pairs_needed > MOST_USEFUL_PAIRS:
        return f"more than {MOST_USEFUL_PAIRS:,} pairs"
    return f"about {pairs(pairs_needed)}"


def _missed_text(change: float) -> str:
    if change > LARGEST_OPEN_CHANGE:
        return f"even a change of {percent(LARGEST_OPEN_CHANGE, 0)}"
    return f"a change under {percent(change)}"


def unchanged_text(settings: Settings, *, is_real: bool) -> str:
    """The clause of "unchanged"."""
    small = "a real change, but " if is_real else ""
    return f": {small}within the margin of {100 * settings.margin:g}%"


def launches(count: int) -> str:
    """1 launch, 2 launches."""
    return pluralize(count, "launch", "launches")


def pairs(count: int, kind: str = "") -> str:
    """1 pair, 2 fresh pairs."""
    return pluralize(count, f"{kind}pair")


def _changed(metric: Metric, verdict: Verdict) -> str:
    change, low, high = verdict.change or 0.0, verdict.low, verdict.high
    decimals = 2 if low is not None and high is not None and high - low < 0.002 else 1
    moved = percent(abs(change), decimals)
    way = "higher" if change > 0 else "lower"
    what = f"{metric.title} the same" if moved == percent(0.0, decimals) else f"{metric.title} {moved} {way}"
    if low is None or high is None:
        return what
    confidence = f"{100 * (1 - verdict.settings.alpha):g}%"
    least, most = interval(low, high, decimals)
    return f"{what} ({confidence} interval {least.removesuffix('%')} to {most})"


def _relative(log_ratio: float) -> float:
    return math.expm1(min(log_ratio, 700.0))  # beyond, a float overflows
