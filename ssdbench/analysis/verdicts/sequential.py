"""The rule `sequential`: launches of a run -> the arrays of `looks`, and back to the stages of each case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ssdbench.analysis.verdicts import looks
from ssdbench.analysis.verdicts.contrast import Contrast, varies, worse
from ssdbench.analysis.verdicts.sample_size import PairPlan
from ssdbench.analysis.verdicts.spread import Prior, fit_prior
from ssdbench.analysis.verdicts.stages import Stages, is_possible
from ssdbench.schema.launch_values import Arms, CaseLaunches, LaunchesByCase
from ssdbench.schema.metrics import Metric
from ssdbench.schema.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def sequential_stages(run: LaunchesByCase, settings: Settings) -> Stages:
    """Both stages of the cases that can be judged, as far as they are measured."""
    import numpy as np

    sound = {name: case for name, case in run.items() if is_possible(case)}
    if not sound:
        return Stages(measure={}, flagged={}, confirm={}, fresh_needed={}, p_values={})
    values = _values([(case.metric, case.measure) for case in sound.values()])
    priors = priors_of(values, settings)
    replay = looks.measure(values, priors, settings)
    measured = _plans(sound, [case.measure for case in sound.values()], replay, settings)
    signs = looks.flags(replay, settings)
    again = np.flatnonzero(signs * [plan.contrast is not None and plan.contrast.varies for plan in measured.values()])
    names = list(sound)
    flagged = {names[at]: int(signs[at]) for at in again.tolist()}
    fresh = _Fresh.of([sound[name] for name in flagged], _chosen(replay, again), priors.of(again), settings)
    return Stages(
        measure=measured,
        flagged=flagged,
        confirm=_plans(flagged, [sound[name].confirm for name in flagged], fresh.replay, settings),
        fresh_needed=dict(zip(flagged, fresh.needed, strict=True)),
        p_values=dict(zip(flagged, looks.confirmed_p(fresh.replay, fresh.values, signs[again]).tolist(), strict=True)),
        open_by_ranks=frozenset(_open(names, replay, values, settings) - flagged.keys())
        | _open(list(flagged), fresh.replay, fresh.values, settings),
    )


def _open(names: Sequence[str], replay: looks.Replay, values: looks.Values, settings: Settings) -> frozenset[str]:
    excluded = looks.ranks_exclude_margin(replay.used, values, settings).tolist()
    return frozenset(name for name, is_excluded in zip(names, excluded, strict=True) if not is_excluded)


def priors_of(values: looks.Values, settings: Settings) -> looks.Priors:
    """The priors of one run, from the first launches of all its cases; cases with fewer pairs have no part in them."""
    import numpy as np

    first = settings.looks[0]
    whole = values.pairs >= first

    def of(side: "Floats") -> Prior:
        variances = side[whole, :first].var(axis=1, ddof=1) if whole.any() else np.empty(0)
        found = fit_prior(variances, first - 1, settings.noise_floor**2)
        shape = (len(values.pairs),)
        return Prior(variance=np.broadcast_to(found.variance, shape), freedom=np.broadcast_to(found.freedom, shape))

    return looks.Priors(baseline=of(values.baseline), candidate=of(values.candidate))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fresh:
    values: looks.Values
    replay: looks.Replay
    needed: list[int]

    @staticmethod
    def of(cases: Sequence[CaseLaunches], first: looks.Replay, priors: looks.Priors, settings: Settings) -> "_Fresh":
        import numpy as np

        values = _values([(case.metric, case.confirm) for case in cases])
        levels = np.full(len(cases), settings.alpha / max(1, len(cases)))
        none = looks.Values(
            baseline=values.baseline, candidate=values.candidate, pairs=np.zeros(len(cases), dtype=np.intp)
        )
        return _Fresh(
            values=values,
            replay=looks.confirm(first, values, priors, levels, settings),
            needed=looks.confirm(first, none, priors, levels, settings).asked.tolist(),
        )


def _values(arms: Sequence[tuple[Metric, Arms]]) -> looks.Values:
    import numpy as np

    pairs = [side.pairs for _, side in arms]
    baseline, candidate = (np.full((len(arms), max(pairs, default=0)), np.nan) for _ in range(2))
    for row, (metric, side) in enumerate(arms):
        baseline[row, : pairs[row]] = [worse(metric, value) for value in side.baseline[: pairs[row]]]
        candidate[row, : pairs[row]] = [worse(metric, value) for value in side.candidate[: pairs[row]]]
    return looks.Values(baseline=baseline, candidate=candidate, pairs=np.array(pairs, dtype=np.intp))


def _plans(
    names: Mapping[str, object], arms: Sequence[Arms], replay: looks.Replay, settings: Settings
) -> dict[str, PairPlan]:
    found = {}
    for row, (name, side) in enumerate(zip(names, arms, strict=True)):
        used = side.first(int(replay.used[row]))
        found[name] = PairPlan(pairs=int(replay.asked[row]), used=used, contrast=_contrast(used, replay, row, settings))
    return found


def _contrast(used: Arms, replay: looks.Replay, row: int, settings: Settings) -> Contrast | None:
    if used.pairs < 2:
        return None
    return Contrast(
        estimate=float(replay.estimate[row]),
        error=float(replay.error[row]),
        freedom=float(replay.freedom[row]),
        launches=used.pairs,
        varies=varies(used, settings.trim),
    )


def _chosen(replay: looks.Replay, rows: "NDArray[np.intp]") -> looks.Replay:
    return looks.Replay(
        asked=replay.asked[rows],
        used=replay.used[rows],
        estimate=replay.estimate[rows],
        error=replay.error[rows],
        freedom=replay.freedom[rows],
    )
