"""The values of a verdict, as lines of text."""

from ssdbench.report.numbers import change_text, interval_text, shown_unit, significant_digits, spread, value_text
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.verdict import CaseVerdict


def values(case: CaseVerdict) -> tuple[str, str]:
    """The values of baseline and candidate with their unit; a hyphen for a missing one."""
    verdict = case.verdict
    metric, digits = METRICS[verdict.metric], significant_digits(spread(verdict))
    baseline, candidate = (
        "-" if value is None else f"{value_text(metric, value, digits)} {shown_unit(metric)}"
        for value in (verdict.baseline_value, verdict.candidate_value)
    )
    return baseline, candidate


def change(case: CaseVerdict) -> str:
    """The change with its interval; empty without one."""
    interval = interval_text(case.verdict)
    return change_text(case.verdict) + (f" ({interval}%)" if interval else "")


def figures(case: CaseVerdict) -> list[str]:
    """All values, one on each line."""
    verdict = case.verdict
    baseline, candidate = values(case)
    lines = [f"metric: {METRICS[verdict.metric].title}", f"baseline: {baseline}", f"candidate: {candidate}"]
    if change(case):
        interval = f", interval of {100 * (1 - verdict.settings.alpha):g}%" if interval_text(verdict) else ""
        lines.append(f"change: {change(case)}{interval}")
    lines.append(f"launches: {verdict.baseline_launches} and {verdict.candidate_launches}")
    return lines
