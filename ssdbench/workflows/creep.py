"""Compares a run with the last release and with the anchor (the oldest results kept), to notice slow creep."""

from collections.abc import Sequence
from dataclasses import dataclass

from ssdbench.analysis.baselines.creep import (
    creep_of,
    find_regressions,
    ignoring_age,
    not_yet_accepted,
    release_name,
    same_launches,
    since_anchor,
    since_release,
)
from ssdbench.analysis.verdicts import compare as comparisons
from ssdbench.harness.stores.store import DEFAULT_BASELINE, Store
from ssdbench.schema.acceptance import Acceptance, AcceptedRegression, Against
from ssdbench.schema.record import Run
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Baseline, Creep


@dataclass(frozen=True, slots=True, kw_only=True)
class CreepCheck:
    """How far a run is from older results, and as what each case that is worse would be accepted."""

    creep: Creep
    lowered: tuple[AcceptedRegression, ...]


def find_creep(store: Store, run: Run, reference: Baseline | Run | None, settings: Settings) -> tuple[Creep, ...]:
    """A run against the last release and the anchor of its reference, where they add anything; none without a baseline.

    An interleaved run that was judged by its own baseline arm (`reference` is None) has no stored reference: it is
    compared with the older results of the default baseline, where the two have cases in common.

    Raises:
        StoreError: a baseline cannot be read.
    """
    if isinstance(reference, Baseline):
        key, name = reference.header.hardware.key, reference.header.name
        anchor = store.load_anchor(key, name)
        found = [
            *release_creep(store, run, reference, anchor, settings),
            *anchor_creep(run, reference, anchor, settings),
        ]
    elif reference is None and run.header.baseline_arm is not None:
        found = _interleaved_creep(store, run, settings)
    else:
        found = []
    return tuple(check.creep for check in found)


def anchor_creep(run: Run, baseline: Baseline | None, anchor: Baseline | None, settings: Settings) -> list[CreepCheck]:
    """A run against the oldest results kept; none where the baseline has the same launches."""
    if anchor is None or (baseline and same_launches(anchor, baseline)):
        return []
    history = since_anchor(baseline.history) if baseline else ()
    return [_check(run, anchor, "anchor", history, settings)]


def release_creep(
    store: Store, run: Run, baseline: Baseline, anchor: Baseline | None, settings: Settings
) -> list[CreepCheck]:
    """A run against the last release; none where there is none, or where baseline or anchor have its launches.

    Raises:
        StoreError: the release cannot be read.
    """
    release = _release(store, baseline)
    if release is None or any(same_launches(release, other) for other in (baseline, anchor) if other):
        return []
    return [_check(run, release, "release", since_release(baseline.history, release), settings)]


def _interleaved_creep(store: Store, run: Run, settings: Settings) -> list[CreepCheck]:
    # Nothing stored has judged the candidate, so results are of use also where the baseline has the same launches.
    place = (run.header.hardware.key, DEFAULT_BASELINE)
    if not store.has_baseline(*place):
        return []
    baseline, anchor = store.load_baseline(*place), store.load_anchor(*place)
    release = _release(store, baseline)
    found = []
    if release is not None and not (anchor and same_launches(release, anchor)):
        found.append(_check(run, release, "release", since_release(baseline.history, release), settings))
    if anchor is not None:
        found.append(_check(run, anchor, "anchor", since_anchor(baseline.history), settings))
    return [check for check in found if check.creep.compared_cases and check.creep.run_id != run.header.run_id]


def _release(store: Store, baseline: Baseline) -> Baseline | None:
    place = (baseline.header.hardware.key, release_name(baseline.header.name))
    return store.load_baseline(*place) if store.has_baseline(*place) else None


def _check(run: Run, kept: Baseline, against: Against, allowed: Sequence[Acceptance], settings: Settings) -> CreepCheck:
    comparison = comparisons.compare(run, kept, f"{kept.header.name} ({against})", ignoring_age(settings))
    worse = find_regressions(comparison, against)
    lowered = not_yet_accepted(worse, allowed, settings.margin)
    return CreepCheck(creep=creep_of(comparison, kept.header, against, worse, lowered), lowered=lowered)
