"""A row for each verdict: of a comparison, or of launches that came from elsewhere."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ssdbench.analysis.frames.columns import Column, build
from ssdbench.schema.metrics import METRICS, Direction
from ssdbench.schema.verdict import CaseVerdict, Comparison, Verdict

_JUDGEMENT = (
    Column("status", "string", "`unchanged`, `improved`, `regressed`, `waived`, `inconclusive`, `failed`, ..."),
    Column("change", "float64", "relative change from baseline to candidate: 0.02 is 2 % more"),
    Column(
        "low",
        "float64",
        "lower bound of the change, with a confidence of 1 - alpha (99 %); missing below 5 stored sessions",
    ),
    Column("high", "float64", "upper bound of the change"),
    Column("baseline_value", "float64", "the metric of the baseline, in the metric's unit"),
    Column("candidate_value", "float64", "the metric of the candidate, in the metric's unit"),
    Column("baseline_launches", "int64", "launches of the baseline that the rule used"),
    Column("candidate_launches", "int64", "launches of the candidate that the rule used"),
    Column("confirm_pairs", "int64", "pairs of the confirmation stage, on which alone the figures then rest"),
    Column("smallest_detectable_change", "float64", "relative change that shows as real at this spread (power 95 %)"),
    Column(
        "smallest_called_change", "float64", "relative change that would be called, at least the margin (power 95 %)"
    ),
    Column("launches_needed", "Int64", "launches on each side that would decide on a change of the margin"),
    Column("mode", "string", "`interleaved`, `single-shot` or `stored`; missing where nothing could be judged"),
    Column("margin", "float64", "relative change that matters"),
    Column("sentence", "string", "the verdict as a sentence"),
)
JUDGED_COLUMNS = (
    Column("case", "string", "the case"),
    *_JUDGEMENT,
    Column("metric", "string", "what the values are, as the table says; `value` where it does not"),
    Column("direction", "string", "which values are better: `higher` or `lower`"),
)
VERDICT_COLUMNS = (
    Column("run_id", "string", "the run that was judged"),
    Column("hardware", "string", "its hardware key"),
    Column("baseline", "string", "the baseline (or run) that it was compared with"),
    Column("baseline_run_id", "string", "the run that the baseline was accepted from; missing without a baseline"),
    Column("case", "string", "key of the case"),
    Column("title", "string", "short name of the case"),
    Column("metric", "string", "the gated metric"),
    Column("unit", "string", "its unit"),
    *_JUDGEMENT,
    Column("notes", "string", "which launches were left out and why; sentences, separated by '; '"),
    Column("explanation", "string", "in which phase of a step the change is; empty where that is not known"),
    Column("waiver", "string", "what a waiver says of the case; empty where none matches it"),
)


def verdicts_frame(comparison: Comparison) -> pd.DataFrame:
    """A row for each case of a comparison, worst first; the index counts the rows from 0."""
    return build(VERDICT_COLUMNS, [_row(comparison, case) for case in comparison.cases])


def judged_frame(verdicts: Mapping[str, Verdict], directions: Mapping[str, Direction]) -> pd.DataFrame:
    """A row for each case that was judged from a table of launches, in its order."""
    rows = [
        {"case": case, **_judgement(verdict), "metric": verdict.metric, "direction": directions[case].word}
        for case, verdict in verdicts.items()
    ]
    return build(JUDGED_COLUMNS, rows)


def _row(comparison: Comparison, case: CaseVerdict) -> dict[str, Any]:
    return {
        "run_id": comparison.run_id,
        "hardware": comparison.hardware_key,
        "baseline": comparison.baseline,
        "baseline_run_id": comparison.baseline_run_id,
        "case": case.case_key,
        "title": case.title,
        "metric": case.verdict.metric,
        "unit": METRICS[case.verdict.metric].unit,
        **_judgement(case.verdict),
        "notes": "; ".join(case.notes),
        "explanation": case.explanation,
        "waiver": case.waiver.sentence if case.waiver else "",
    }


def _judgement(verdict: Verdict) -> dict[str, Any]:
    return {
        "status": verdict.status.value,
        "change": verdict.change,
        "low": verdict.low,
        "high": verdict.high,
        "baseline_value": verdict.baseline_value,
        "candidate_value": verdict.candidate_value,
        "baseline_launches": verdict.baseline_launches,
        "candidate_launches": verdict.candidate_launches,
        "confirm_pairs": verdict.confirm_pairs,
        "smallest_detectable_change": verdict.smallest_detectable_change,
        "smallest_called_change": verdict.smallest_called_change,
        "launches_needed": verdict.launches_needed,
        "mode": verdict.mode.value if verdict.mode else None,
        "margin": verdict.settings.margin,
        "sentence": verdict.sentence,
    }
