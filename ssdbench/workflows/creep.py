"""Compares a run with the last release and with the anchor (the oldest results kept), to notice slow creep."""

from collections.abc import Sequence
from dataclasses import dataclass

from ssdbench.analysis.baselines.creep import (
    find_regressions,
    ignoring_age,
    improved_cases,
    not_yet_accepted,
    release_name,
    same_launches,
    since_anchor,
    since_release,
)
from ssdbench.analysis.verdicts import compare as comparisons
from ssdbench.harness.stores.store import Store
from ssdbench.schema.acceptance import Acceptance, AcceptedRegression, Against
from ssdbench.schema.record import Run
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Baseline, BaselineHeader, Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Creep:
    """A run against results that are kept to notice creep: the anchor or the last release.

    `kept` is the header of those results, `comparison` that of the run with them. `lowered` are the cases that are
    worse by more than the margin, without the `allowed_cases` that were accepted so; `gained` are the titles of the
    cases that are better than the anchor.
    """

    against: Against
    kept: BaselineHeader
    comparison: Comparison
    lowered: tuple[AcceptedRegression, ...]
    allowed_cases: int
    gained: tuple[str, ...]


def find_creep(store: Store, run: Run, reference: Baseline | Run | None, settings: Settings) -> list[Creep]:
    """A run against the last release and the anchor of its reference, where they add anything; none without a baseline.

    Raises:
        StoreError: a baseline cannot be read.
    """
    if not isinstance(reference, Baseline):
        return []
    header = reference.header
    anchor = store.load_anchor(header.hardware.key, header.name)
    return [*release_creep(store, run, reference, anchor, settings), *anchor_creep(run, reference, anchor, settings)]


def anchor_creep(run: Run, baseline: Baseline | None, anchor: Baseline | None, settings: Settings) -> list[Creep]:
    """A run against the oldest results kept; none where the baseline has the same launches."""
    if anchor is None or (baseline and same_launches(anchor, baseline)):
        return []
    history = since_anchor(baseline.history) if baseline else ()
    return [_creep(run, anchor, "anchor", history, settings)]


def release_creep(
    store: Store, run: Run, baseline: Baseline, anchor: Baseline | None, settings: Settings
) -> list[Creep]:
    """A run against the last release; none where there is none, or where baseline or anchor have its launches.

    Raises:
        StoreError: the release cannot be read.
    """
    place = (baseline.header.hardware.key, release_name(baseline.header.name))
    if not store.has_baseline(*place):
        return []
    release = store.load_baseline(*place)
    if any(same_launches(release, other) for other in (baseline, anchor) if other):
        return []
    return [_creep(run, release, "release", since_release(baseline.history, release), settings)]


def _creep(run: Run, kept: Baseline, against: Against, allowed: Sequence[Acceptance], settings: Settings) -> Creep:
    comparison = comparisons.compare(run, kept, f"{kept.header.name} ({against})", ignoring_age(settings))
    worse = find_regressions(comparison, against)
    lowered = not_yet_accepted(worse, allowed, settings.margin)
    return Creep(
        against=against,
        kept=kept.header,
        comparison=comparison,
        lowered=lowered,
        allowed_cases=len(worse) - len(lowered),
        gained=tuple(improved_cases(comparison)) if against == "anchor" else (),
    )
