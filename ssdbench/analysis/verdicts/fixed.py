"""The rule `fixed`, the only one up to version 0.2: every plan follows the spread of launches and nothing else.

A flagged case is confirmed at alpha / number of flagged cases by Welch-Yuen alone. See `sample_size` for its plan.
"""

from collections.abc import Mapping

from ssdbench.analysis.verdicts.sample_size import PairPlan, plan, required_pairs
from ssdbench.analysis.verdicts.stages import Stages, direction, is_possible, towards
from ssdbench.schema.launch_values import CaseLaunches, LaunchesByCase, Stage
from ssdbench.schema.settings import Settings


def fixed_stages(run: LaunchesByCase, settings: Settings) -> Stages:
    """Both stages of the cases that can be judged, as far as they are measured."""
    sound = {name: case for name, case in run.items() if is_possible(case)}
    measured = planned(sound, Stage.MEASURE, settings, settings.alpha, settings.pair_cap)
    signs = {
        name: direction(case.contrast, settings)
        for name, case in measured.items()
        if case.contrast and case.contrast.varies
    }
    flagged = {name: sign for name, sign in signs.items() if sign}
    again = {name: sound[name] for name in flagged}
    level = settings.alpha / max(1, len(flagged))
    fresh = planned(again, Stage.CONFIRM, settings, level, settings.confirm_pair_cap)
    return Stages(
        measure=measured,
        flagged=flagged,
        confirm=fresh,
        fresh_needed={name: _fresh_needed(measured[name], level, settings) for name in flagged},
        p_values={
            name: towards(flagged[name], case.contrast).p_beyond() if case.contrast else 1.0
            for name, case in fresh.items()
        },
    )


def planned(
    cases: Mapping[str, CaseLaunches], stage: Stage, settings: Settings, alpha: float, cap: int
) -> dict[str, PairPlan]:
    """The plan of a stage of each case."""
    found = plan([(case.metric, case.of(stage)) for case in cases.values()], settings, alpha, cap)
    return dict(zip(cases, found, strict=True))


def _fresh_needed(first: PairPlan, level: float, settings: Settings) -> int:
    assert first.contrast
    enough = required_pairs(first.contrast, settings, level) or settings.confirm_pair_cap
    return min(settings.confirm_pair_cap, max(settings.pilot_pairs, enough))
