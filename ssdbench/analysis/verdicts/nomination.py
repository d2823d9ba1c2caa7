"""Which cases of a run are measured again in fresh pairs: those that a slowdown of the margin cannot be excluded for.

A stored baseline finds no change of the margin by itself (`stored`), and pairs for every case are dear. So a run is
compared with the stored sessions, the cases that may have changed are *nominated*, and pairs with the baseline's build
decide on these alone. With d, SE and f the contrast of session means (`stored`), all cases lending their spread,

    d + t(1 - escape, f) SE >= m    a slowdown of the margin m cannot be excluded
    d <= -m                         the case is faster by the margin: a gain left unseen would hide later losses

t(1 - escape, f) SE is what a session can fall short of its build by, so `escape` is the chance to leave out a case
that is slower by exactly the margin; of larger slowdowns fewer are left out. Most cases have not changed, and one
launch shows it. So a session looks twice where it can: after the first launch of each case, and after the others of
those cases that are still open. The chances of both looks add up to no more than that of a single one.

The false alarms of a run stay those of the pairs, since nothing else is judged. Below the `minimum_sessions` the drift
between sessions is not known, and every case is nominated; the same comes about by itself if sessions drift by as much
as the margin.

docs/decisions/0009-nightly-nomination.md has the derivation, docs/verdicts.md what it finds and costs.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from ssdbench.analysis.verdicts.contrast import Contrast
from ssdbench.analysis.verdicts.stored import session_contrasts
from ssdbench.schema.launch_values import CaseSessions
from ssdbench.schema.nightly import Look, Nomination
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Comparison, Status

ESCAPE_SHARE: Mapping[Look, float] = {"only": 0.7, "first": 0.2, "second": 0.5}
"""Share of the slowdowns missed at the power of the settings that a look may miss: 3.5, 1 and 2.5 of 5 %.

The pairs miss about 1 %.
"""
_FAILED = {Status.FAILED, Status.NO_LONGER_FITS, Status.NOT_RUN}
_NEW = {Status.NO_BASELINE, Status.STALE, Status.INCOMPARABLE}
_CHANGED = {Status.REGRESSED, Status.IMPROVED}
_UNPAIRED = {Status.SKIPPED, Status.VANISHED, Status.LEFT_OUT, Status.DOES_NOT_FIT, Status.FITS_NOW}
"""Of these one of the builds has nothing to be measured."""


def nominate(
    comparison: Comparison,
    cases: Mapping[str, CaseSessions],
    settings: Settings,
    *,
    last_pairs: Mapping[str, int | None],
    every: int,
    looks: Mapping[str, Look] | None = None,
    unsettled: Collection[str] = (),
) -> dict[str, Nomination]:
    """The cases that are to be measured in pairs, by key, each with the first reason that applies; turns come last.

    `comparison` is that with the stored baseline, `cases` the sessions of those that both have. `last_pairs` says how
    many runs ago pairs of a case were last tried, whether or not they failed (1 is the previous run); None or no entry:
    never. `every` is at least 1: a case whose turns are all tried has its turn at least once in so many runs. `looks`
    is as in `may_have_changed`; `unsettled` are the cases that were not well, or had no verdict, when last judged.
    """
    statuses = {case.case_key: case.verdict.status for case in comparison.cases}
    paired = {key: status for key, status in statuses.items() if status not in _UNPAIRED}
    moved = may_have_changed({key: case for key, case in cases.items() if key in paired}, settings, looks)
    found: dict[str, Nomination] = {}
    for key, status in paired.items():
        if status in _FAILED:
            found[key] = "failed"
        elif status in _NEW:
            found[key] = "new"
        elif status in _CHANGED or moved.get(key, True):
            found[key] = "interval"
        elif key in unsettled:
            found[key] = "unsettled"
    waiting = sorted(paired.keys() - found.keys(), key=lambda key: (-_age(last_pairs.get(key)), key))
    return found | dict.fromkeys(waiting[: math.ceil(len(paired) / every)], "turn")


def may_have_changed(
    cases: Mapping[str, CaseSessions], settings: Settings, looks: Mapping[str, Look] | None = None
) -> dict[str, bool]:
    """Whether the stored sessions leave it open that a case has changed by the margin; True where they say nothing.

    `looks` says which look at the session this is, by case key; without an entry it is the only one.
    """
    known = {key: case for key, case in cases.items() if is_known(case, settings)}
    found = session_contrasts(known, settings)
    chances = {key: escape(settings, (looks or {}).get(key, "only")) for key in found}
    return {key: key not in found or _is_open(found[key], chances[key], settings) for key in cases}


def open_after_first(cases: Mapping[str, CaseSessions], settings: Settings) -> set[str]:
    """The cases whose first launch leaves open that they have changed, of those that a second look can clear."""
    first = {
        key: replace(case, candidate=tuple(session[:1] for session in case.candidate[:1]))
        for key, case in cases.items()
        if is_known(case, settings)
    }
    return {key for key, is_open in may_have_changed(first, settings, dict.fromkeys(first, "first")).items() if is_open}


def escape(settings: Settings, look: Look = "only") -> float:
    """The chance that a look leaves out a case which is slower by exactly the margin."""
    return ESCAPE_SHARE[look] * (1 - settings.power)


def _is_open(contrast: Contrast, chance: float, settings: Settings) -> bool:
    reach = contrast.half_width(1 - 2 * chance)
    margin = settings.log_margin
    return not contrast.varies or contrast.estimate + reach >= margin or contrast.estimate <= -margin


def is_known(case: CaseSessions, settings: Settings) -> bool:
    """Whether there are values of the candidate, and enough stored sessions to know the drift between them."""
    sessions = (*case.baseline, *case.candidate)
    has_values = bool(case.candidate) and all(sessions)
    is_possible = all(0 < value < math.inf for session in sessions for value in session)
    return has_values and is_possible and len(case.baseline) >= settings.minimum_sessions


def _age(runs: int | None) -> float:
    return math.inf if runs is None else runs
