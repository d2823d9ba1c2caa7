"""What an acceptance would change under one name: shown first, then refused or kept."""

from dataclasses import dataclass

from rich.console import Console

from ssdbench.analysis.baselines.acceptance import accepted, is_same
from ssdbench.analysis.baselines.creep import ageless, given_up, lowered_bars, next_anchor
from ssdbench.analysis.verdicts import compare as comparisons
from ssdbench.analysis.verdicts.coverage import unfit_cases
from ssdbench.cli.anchor import Creep, anchor_creep, release_creep
from ssdbench.harness.stores.store import Store
from ssdbench.report.baselines import render_baseline
from ssdbench.report.terminal import render_comparison
from ssdbench.schema.acceptance import LoweredBar
from ssdbench.schema.record import Run
from ssdbench.schema.verdict import Baseline, Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`baseline` (without its history yet) in place of `replaced`, with the bars it lowers and the cases it drops.

    `comparison` is of both; None where nothing is replaced. `creep` is how it stands against older figures.
    """

    baseline: Baseline
    replaced: Baseline | None
    anchor: Baseline | None
    comparison: Comparison | None
    creep: tuple[Creep, ...]
    lowered: tuple[LoweredBar, ...]
    dropped: tuple[str, ...]

    @property
    def is_nothing(self) -> bool:
        """Whether accepting would change nothing but the date."""
        return bool(self.replaced and self.anchor and is_same(self.baseline, self.replaced))


def change_of(store: Store, measured: Run, baseline: Baseline) -> Change:
    """What accepting `baseline`, made from `measured`, changes in the store."""
    key, name, settings = baseline.header.hardware.key, baseline.header.name, measured.header.settings
    replaced = store.load_baseline(key, name) if store.has_baseline(key, name) else None
    anchor = store.load_anchor(key, name)
    comparison, creep = None, anchor_creep(measured, replaced, anchor, settings)
    lowered: tuple[LoweredBar, ...] = ()
    if replaced:
        comparison = comparisons.compare(measured, replaced, name, ageless(settings))
        creep = [*release_creep(store, measured, replaced, anchor, settings), *creep]
        lowered = lowered_bars(comparison, "baseline")
    for each in creep:
        known = {bar.case_key for bar in lowered}
        lowered += tuple(bar for bar in each.lowered if bar.case_key not in known)
    return Change(
        baseline=baseline,
        replaced=replaced,
        anchor=anchor,
        comparison=comparison,
        creep=tuple(creep),
        lowered=lowered,
        dropped=given_up(comparison) if comparison else (),
    )


def show_change(console: Console, change: Change) -> None:
    """Print what an acceptance changes: old, new, change, and the distance from older figures."""
    if change.comparison:
        console.print(render_comparison(change.comparison, comparisons.exit_code(change.comparison), console.width))
    else:
        records = change.baseline.records
        figures, unfit = comparisons.case_figures(records), unfit_cases(records)
        console.print(render_baseline(change.baseline, figures, unfit=unfit))
    for creep in change.creep:
        console.print(creep.text)
        if creep.gained:
            text = f"better than the anchor: {', '.join(creep.gained)}; --reset-anchor keeps the gain"
            console.print(text, markup=False, highlight=False, soft_wrap=True)


def keep_change(store: Store, change: Change, *, margin: float, reset_anchor: bool) -> tuple[Baseline, str]:
    """Write baseline and anchor; returns the baseline with its history, and where it is."""
    # The anchor first: were the writer killed between both, the next acceptance would find the older figures still.
    store.save_anchor(next_anchor(change.anchor, change.replaced, change.baseline, reset=reset_anchor))
    kept = accepted(
        change.baseline,
        change.replaced,
        margin=margin,
        lowered=change.lowered,
        dropped=change.dropped,
        reset_anchor=reset_anchor or not (change.anchor or change.replaced),
    )
    return kept, store.save_baseline(kept)
