"""The rule `fixed` of `ssdbench.analysis.verdicts` on arrays; `contrast` and `sample_size` there have the formulas."""

import warnings

import numpy as np
from scipy import stats
from scipy.special import stdtrit

from benchmarks.verdicts.decided import Decided
from benchmarks.verdicts.noise import Floats
from benchmarks.verdicts.stages import Confirmed, Contrasts, Counts, Measured, Stage, p_towards, varies
from benchmarks.verdicts.world import Drawn
from ssdbench.schema.settings import Settings


def decide(drawn: Drawn, settings: Settings) -> Decided:
    """Each case by the pairs that its plan asks for."""
    pairs, seen = planned(Stage.of(drawn.baseline, drawn.candidate), settings, np.array(settings.alpha))
    measured = Measured.of(drawn.runs, pairs, seen, settings)
    if not measured.flagged.size:
        return measured.decided(settings, None, drawn.shape)
    again = Stage.of(drawn.fresh_baseline, drawn.fresh_candidate).rows(measured.flagged)
    more, fresh = planned(again, settings, measured.levels(settings))
    p = p_towards(fresh, measured.signs[measured.flagged])
    return measured.decided(settings, Confirmed(pairs=more, seen=fresh, p=p), drawn.shape)


def contrasts(stage: Stage, settings: Settings) -> Contrasts:
    """Of all launches of the stage, whose arms may have unlike numbers of them."""
    there, here = (
        np.asarray(stats.trim_mean(side, settings.trim, axis=1)) for side in (stage.baseline, stage.candidate)
    )
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        moved = stats.ttest_ind(
            stage.candidate - here[:, None] + 1.0,
            stage.baseline - there[:, None],
            axis=1,
            equal_var=False,
            trim=settings.trim,
        )
        errors = 1.0 / moved.statistic
    sizes = stage.baseline.shape[1], stage.candidate.shape[1]
    differ = varies(stage, settings.trim)
    most_freedom = 2 * min(size - 2 * int(settings.trim * size) - 1 for size in sizes)
    freedom = np.where(differ & np.isfinite(moved.df), moved.df, most_freedom)
    return Contrasts(
        estimate=here - there,
        error=np.fmax(errors, settings.noise_floor * np.sqrt(1 / sizes[0] + 1 / sizes[1])),
        freedom=np.minimum(freedom, most_freedom),
        varies=differ,
    )


def planned(stage: Stage, settings: Settings, levels: Floats) -> tuple[Counts, Contrasts]:
    """The pairs that the plan of each row asks for, and their contrast; `levels` are those of the stage, per row."""
    rows, cap = stage.baseline.shape
    pairs = np.full(rows, settings.first_pairs, dtype=np.int64)
    levels = np.broadcast_to(levels, rows)
    still_open = np.arange(rows)
    for _ in range(settings.replans):
        still_open = still_open[pairs[still_open] < cap]
        if not still_open.size:
            break
        seen = _by_size(stage.rows(still_open), pairs[still_open], settings)
        more = _replanned(seen, pairs[still_open], levels[still_open], settings, cap)
        grows = more > pairs[still_open]
        pairs[still_open] = more
        still_open = still_open[grows]
    return pairs, _by_size(stage, pairs, settings)


def _by_size(stage: Stage, pairs: Counts, settings: Settings) -> Contrasts:
    found = {name: np.empty(len(pairs)) for name in ("estimate", "error", "freedom")}
    differ = np.empty(len(pairs), dtype=bool)
    for number in np.unique(pairs):
        rows = np.flatnonzero(pairs == number)
        part = Stage(baseline=stage.baseline[rows, :number], candidate=stage.candidate[rows, :number])
        of_rows = contrasts(part, settings)
        for name, column in found.items():
            column[rows] = getattr(of_rows, name)
        differ[rows] = of_rows.varies
    return Contrasts(estimate=found["estimate"], error=found["error"], freedom=found["freedom"], varies=differ)


def _replanned(seen: Contrasts, pairs: Counts, levels: Floats, settings: Settings, cap: int) -> Counts:
    target = np.log1p(settings.margin)
    enough = (stdtrit(seen.freedom, 1 - levels) + stdtrit(seen.freedom, settings.plan_power)) * seen.error <= target
    least = np.full(len(pairs), cap, dtype=np.int64)
    at_level, place = np.unique(levels, return_inverse=True)
    for number in range(cap - 1, settings.first_pairs, -1):
        freedom = 2.0 * (number - 2 * int(settings.trim * number) - 1)
        width = stdtrit(freedom, 1 - at_level)[place] + stdtrit(freedom, settings.plan_power)
        suffices = (number > pairs) & (width * (seen.error * np.sqrt(pairs / number)) <= target)
        least[suffices] = number
    return np.where(enough, pairs, np.minimum(cap, np.maximum(pairs + 2, least)))
