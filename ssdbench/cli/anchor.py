"""How a run stands against the oldest figures kept: what `compare` and `baseline accept` say of slow creep."""

from dataclasses import dataclass

from rich.console import RenderableType

from ssdbench.analysis import compare as comparisons
from ssdbench.analysis.bars import ageless, gained, lowered_bars, not_yet_allowed, same_launches
from ssdbench.harness.stores.store import Store
from ssdbench.report.baselines import render_anchor
from ssdbench.schema.acceptance import LoweredBar
from ssdbench.schema.record import Run
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class Creep:
    """What is said of a run and an anchor: `text` for the terminal, the bars `lowered`, titles of cases that gained."""

    text: RenderableType
    lowered: tuple[LoweredBar, ...]
    gained: tuple[str, ...]


def creep_note(store: Store, run: Run, reference: Baseline | Run | None, settings: Settings) -> Creep | None:
    """A run against the anchor of the baseline it is compared with; None where that would say nothing new."""
    if not isinstance(reference, Baseline):
        return None
    anchor = store.load_anchor(reference.header.hardware.key, reference.header.name)
    return None if anchor is None else creep(run, anchor, reference, settings)


def creep(run: Run, anchor: Baseline, baseline: Baseline | None, settings: Settings) -> Creep | None:
    """A run against an anchor; None where the baseline has the same launches, so that nothing new would be said."""
    if baseline and same_launches(anchor, baseline):
        return None
    comparison = comparisons.compare(run, anchor, f"{anchor.header.name}.anchor", ageless(settings))
    worse = lowered_bars(comparison, "anchor")
    lowered = not_yet_allowed(worse, baseline.history if baseline else (), settings.margin)
    keys = [bar.case_key for bar in lowered]
    return Creep(
        text=render_anchor(comparison, anchor.header, keys, len(worse) - len(lowered)),
        lowered=lowered,
        gained=tuple(gained(comparison)),
    )
