"""Both stages of an interleaved run, whichever rule plans them, and what the rules have in common."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ssdbench.analysis.verdicts.contrast import Contrast
from ssdbench.analysis.verdicts.sample_size import PairPlan
from ssdbench.schema.launch_values import CaseLaunches
from ssdbench.schema.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """The cases that can be judged, by name; `flagged` holds +1 (worse) or -1 (better).

    `fresh_needed` are the pairs that confirm a flagged case as its plan is before any of them, `p_values` those of
    Holm's test over the flagged cases, each in the direction of its flag. `open_by_ranks` are the cases that are not
    unchanged, whatever their interval, because the ranks of their launches leave a change of the margin open.
    """

    measure: Mapping[str, PairPlan]
    flagged: Mapping[str, int]
    confirm: Mapping[str, PairPlan]
    fresh_needed: Mapping[str, int]
    p_values: Mapping[str, float]
    open_by_ranks: frozenset[str] = frozenset()


def direction(contrast: Contrast, settings: Settings) -> int:
    """+1 if a case is flagged as worse, -1 as better, 0 if it is not flagged."""
    reach = contrast.half_width(1 - settings.alpha)
    for sign in (1, -1):
        seen = towards(sign, contrast)
        if seen.p_beyond() < settings.alpha and seen.estimate + reach >= settings.log_margin:
            return sign
    return 0


def is_within(contrast: Contrast, settings: Settings) -> bool:
    """Whether the whole interval lies inside the margin."""
    return abs(contrast.estimate) + contrast.half_width(1 - settings.alpha) < settings.log_margin


def is_possible(case: CaseLaunches) -> bool:
    """Whether all values are positive and finite."""
    values = case.measure.baseline + case.measure.candidate + case.confirm.baseline + case.confirm.candidate
    return all(0 < value < math.inf for value in values)


def towards(sign: int, contrast: Contrast) -> Contrast:
    """The contrast, turned so that a change in the direction of `sign` is worse."""
    return contrast if sign > 0 else contrast.mirrored()
