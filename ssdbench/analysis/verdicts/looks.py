"""The plan of the sequential rule, on arrays: many cases, and in simulations many runs, at once.

    measure   A case is looked at after 3, 4, 5, 7, 9, 12 and 15 pairs. It is complete once its interval, at a
              confidence of 1 - alpha / 2 (1 - alpha / 10 at the first look), is inside the margin and the ranks of the
              launches agree, once it is flagged, or at the cap.
    confirm   The number of fresh pairs is fixed before the first of them: what finds the change that `measure` has
              shown at least (or the margin, if that is more) at this spread. It is raised by the spread of the fresh
              pairs alone, as in `sample_size`, never by their difference; so their one test keeps its level.

Fresh pairs are judged by Welch-Yuen and by the exact rank-sum test, and both have to agree. So there are at least as
many of them as the rank-sum test needs at the level of a flagged case, with one launch that is disturbed.

"Unchanged" takes both tests as well, from the pairs on at which the rank-sum test can reach its level (5): the launches
of the baseline, made slower or faster by the margin, have to differ from those of the candidate.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ssdbench.analysis.verdicts.rank_sum import p_larger, smallest_p
from ssdbench.analysis.verdicts.spread import Prior, is_wider, shrunk, trimmed, variance_factor
from ssdbench.schema.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]
    Flags = NDArray[np.bool_]

GROSS_MARGINS = 10
"""From so many times the margin on, a change is beyond what disturbs a launch."""
FIRST_LOOK_SHARE = 0.1
"""Share of alpha at which the interval of the first look is computed: three launches may all be in one clock state."""
LOOK_SHARE = 0.5
"""The same of every other look."""
RANK_SHARE = 0.6
"""Share of alpha at which the rank-sum test has to exclude a change of the margin, in each direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """ln(value) of launches, larger is worse: arrays (cases, pairs), of which the first `pairs` (cases,) count."""

    baseline: "Floats"
    candidate: "Floats"
    pairs: "Ints"

    def of(self, chosen: "Ints") -> "Values":
        """The launches of these cases."""
        return Values(baseline=self.baseline[chosen], candidate=self.candidate[chosen], pairs=self.pairs[chosen])


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """The prior of each arm, with one entry for each case."""

    baseline: Prior
    candidate: Prior

    def of(self, chosen: "Ints") -> "Priors":
        """The priors of these cases."""
        return Priors(baseline=self.baseline.of(chosen), candidate=self.candidate.of(chosen))

    @property
    def freedom(self) -> "Floats":
        """That of both arms."""
        return self.baseline.freedom + self.candidate.freedom


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A stage of each case: the pairs its plan asks for, those used, and their contrast (see `contrast`).

    The contrast is NaN below two pairs.
    """

    asked: "Ints"
    used: "Ints"
    estimate: "Floats"
    error: "Floats"
    freedom: "Floats"

    def reach(self, alpha: "float | Floats") -> "Floats":
        """Half of the two-sided interval of a confidence of 1 - alpha."""
        return _quantile(1 - alpha / 2, self.freedom) * self.error


def measure(values: Values, priors: Priors, settings: Settings) -> Replay:
    """The stage `measure`, replayed from the first pairs: the same launches give the same plan."""
    import numpy as np

    found = _Contrasts(values, priors, settings)
    asked = np.full(len(values.pairs), settings.looks[0])
    is_open = np.ones(len(asked), bool)
    for look in settings.looks:
        asked[is_open] = look
        is_open &= values.pairs >= look
        at = np.flatnonzero(is_open)
        if at.size:
            is_open[at] = ~_is_complete(found.at(at, np.full(at.size, look)), values.of(at), settings)
    return found.replay(asked)


def confirm(first: Replay, values: Values, priors: Priors, levels: "Floats", settings: Settings) -> Replay:
    """The stage `confirm` of flagged cases; `first` is their `measure`, `levels` (cases,) their share of alpha."""
    import numpy as np

    found = _Contrasts(values, priors, settings)
    shown = np.maximum(settings.log_margin, np.abs(first.estimate) - first.reach(settings.alpha))
    bare = np.array([least_fresh_pairs(level) for level in levels], dtype=int)
    safe = np.array([least_fresh_pairs(level, disturbed=True) for level in levels], dtype=int)
    least = np.where(shown > GROSS_MARGINS * settings.log_margin, bare, safe)
    cap = np.maximum(settings.confirm_pair_cap, bare)

    def planned(spread: "Floats", cases: "Ints", start: "Ints") -> "Ints":
        wanted = _Wanted(spread, shown[cases], levels[cases], priors.freedom[cases])
        return _least_that_suffice(wanted, np.minimum(start, cap[cases]), cap[cases], settings)

    spread = first.error**2 / _factors(first.used, settings.trim)
    asked = planned(spread, np.arange(len(shown)), least)
    for _ in range(settings.replans):
        at = np.flatnonzero((values.pairs >= asked) & (asked < cap))
        seen = found.at(at, asked[at])
        short = ~_suffices(seen.error, seen.freedom, levels[at], shown[at], settings)
        if not short.any():
            break
        at, error = at[short], seen.error[short]
        asked[at] = planned(error**2 / _factors(asked[at], settings.trim), at, asked[at] + 2)
    return found.replay(asked)


def confirmed_p(replay: Replay, values: Values, signs: "Ints") -> "Floats":
    """p of each flagged case in the direction of its flag: that of the less certain of the two tests; 1 if untested."""
    import numpy as np
    from scipy.special import stdtr

    p = np.ones(len(replay.used))
    tested = np.flatnonzero(replay.used >= 2)
    p[tested] = stdtr(replay.freedom[tested], -signs[tested] * replay.estimate[tested] / replay.error[tested])
    for pairs in np.unique(replay.used[tested]):
        at = tested[replay.used[tested] == pairs]
        sides = values.baseline[at, :pairs], values.candidate[at, :pairs]
        ranked = np.where(signs[at] > 0, p_larger(*sides), p_larger(*reversed(sides)))
        p[at] = np.maximum(p[at], ranked)
    return p


def ranks_exclude_margin(pairs: "Ints", values: Values, settings: Settings) -> "Flags":
    """Whether the exact test of these pairs (cases,) finds the change to be below the margin, in both directions.

    True where so few pairs cannot reach its level.
    """
    import numpy as np

    level, margin = RANK_SHARE * settings.alpha, settings.log_margin
    found = np.ones(len(pairs), bool)
    for number in np.unique(pairs[pairs >= 2]).tolist():
        if smallest_p(number) > level:
            continue
        at = np.flatnonzero(pairs == number)
        there, here = values.baseline[at, :number], values.candidate[at, :number]
        found[at] = (p_larger(here, there + margin) <= level) & (p_larger(there - margin, here) <= level)
    return found


def flags(replay: Replay, settings: Settings) -> "Ints":
    """+1 for a case that is flagged as worse, -1 as better, 0 else: it differs, and may differ by the margin."""
    import numpy as np
    from scipy.special import stdtr

    reach = replay.reach(settings.alpha)
    signs = np.zeros(len(replay.used), int)
    for sign in (1, -1):
        towards = sign * replay.estimate
        differs = stdtr(replay.freedom, -towards / replay.error) < settings.alpha
        signs[differs & (towards + reach >= settings.log_margin)] = sign
    return signs


def least_fresh_pairs(level: float, *, disturbed: bool = False) -> int:
    """The fewest pairs with which the rank-sum test reaches this level; `disturbed`: with one launch out of place."""
    pairs = 2
    while smallest_p(pairs, disturbed) > level:
        pairs += 1
    return pairs


class _Contrasts:
    """The contrasts of cases at any number of pairs."""

    def __init__(self, values: Values, priors: Priors, settings: Settings) -> None:
        self._values, self._priors, self._settings = values, priors, settings

    def at(self, cases: "Ints", pairs: "Ints") -> Replay:
        """Those of some cases, each after its own number of pairs."""
        import numpy as np

        estimate, error, freedom = (np.full(len(cases), np.nan) for _ in range(3))
        for number in np.unique(pairs[pairs >= 2]):
            here = np.flatnonzero(pairs == number)
            found = self._of(cases[here], int(number))
            estimate[here], error[here], freedom[here] = found
        return Replay(asked=pairs, used=pairs, estimate=estimate, error=error, freedom=freedom)

    def replay(self, asked: "Ints") -> Replay:
        """All cases, after the pairs that are asked for, or those there are."""
        import numpy as np

        used = np.minimum(asked, self._values.pairs)
        found = self.at(np.arange(len(used)), used)
        return Replay(asked=asked, used=used, estimate=found.estimate, error=found.error, freedom=found.freedom)

    def _of(self, cases: "Ints", pairs: int) -> "tuple[Floats, Floats, Floats]":
        import numpy as np

        trim, priors = self._settings.trim, self._priors.of(cases)
        there, there_variance, there_freedom = trimmed(self._values.baseline[cases, :pairs], trim)
        here, here_variance, here_freedom = trimmed(self._values.candidate[cases, :pairs], trim)
        factor = variance_factor(pairs, trim)
        # Both arms of a case are asked together: they tell more of its spread than each alone.
        ratio = (there_variance / priors.baseline.variance + here_variance / priors.candidate.variance) / (2 * factor)
        wider = is_wider(ratio, there_freedom + here_freedom, priors.freedom / 2)
        there_variance, there_freedom = shrunk(there_variance, there_freedom, priors.baseline.without(wider), factor)
        here_variance, here_freedom = shrunk(here_variance, here_freedom, priors.candidate.without(wider), factor)
        variance = there_variance + here_variance
        with np.errstate(invalid="ignore"):  # 0 / 0 of arms without any spread
            freedom = variance**2 / (there_variance**2 / there_freedom + here_variance**2 / here_freedom)
        freedom = np.where(variance > 0, freedom, there_freedom + here_freedom)
        floor = self._settings.noise_floor * np.sqrt(2 / pairs)
        return here - there, np.maximum(np.sqrt(variance), floor), freedom


@dataclass(frozen=True, slots=True, kw_only=False)
class _Wanted:
    """What fresh pairs have to find: `change` at `level`, where one pair has the variance `spread`."""

    spread: "Floats"
    change: "Floats"
    level: "Floats"
    prior_freedom: "Floats"


def _is_complete(look: Replay, values: Values, settings: Settings) -> "Flags":
    import numpy as np

    # Every look is a chance to be wrong, so "unchanged" takes a stricter interval than the one that is printed.
    share = np.where(look.used == settings.looks[0], FIRST_LOOK_SHARE, LOOK_SHARE)
    is_inside = np.abs(look.estimate) + look.reach(share * settings.alpha) < settings.log_margin
    inside = np.flatnonzero(is_inside)
    is_inside[inside] = ranks_exclude_margin(look.used[inside], values.of(inside), settings)
    done: Flags = is_inside | (flags(look, settings) != 0)
    return done


def _least_that_suffice(wanted: _Wanted, start: "Ints", cap: "Ints", settings: Settings) -> "Ints":
    import numpy as np

    found: Ints = cap.copy()
    for pairs in range(int(cap.max(initial=0)) - 1, int(start.min(initial=1)) - 1, -1):
        error = np.sqrt(wanted.spread * variance_factor(pairs, settings.trim))
        freedom = 2 * (pairs - 2 * int(settings.trim * pairs) - 1) + wanted.prior_freedom
        enough = _suffices(error, freedom, wanted.level, wanted.change, settings)
        found[enough & (pairs >= start) & (pairs < cap)] = pairs
    return found


def _suffices(error: "Floats", freedom: "Floats", level: "Floats", change: "Floats", settings: Settings) -> "Flags":
    reach = _quantile(1 - level, freedom) + _quantile(settings.plan_power, freedom)
    found: Flags = reach * error <= change
    return found


def _factors(pairs: "Ints", trim: float) -> "Floats":
    import numpy as np

    return np.array([variance_factor(number, trim) for number in pairs.tolist()])


def _quantile(probability: "Floats | float", freedom: "Floats") -> "Floats":
    import numpy as np
    from scipy.special import stdtrit

    return np.asarray(stdtrit(freedom, probability), dtype=np.float64)
