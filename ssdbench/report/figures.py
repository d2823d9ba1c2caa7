"""The figures behind a verdict, in lines of text."""

from ssdbench.report.numbers import change_text, interval_text, shown_unit, significant_digits, spread, value_text
from ssdbench.schema.verdict import METRICS, CaseVerdict


def values(case: CaseVerdict) -> tuple[str, str]:
    """Baseline and measured value with their unit; a hyphen where there is none."""
    verdict = case.verdict
    metric, digits = METRICS[verdict.metric], significant_digits(spread(verdict))
    there, here = (
        "-" if value is None else f"{value_text(metric, value, digits)} {shown_unit(metric)}"
        for value in (verdict.baseline_value, verdict.candidate_value)
    )
    return there, here


def change(case: CaseVerdict) -> str:
    """The change with its interval; empty where there is none."""
    interval = interval_text(case.verdict)
    return change_text(case.verdict) + (f" ({interval}%)" if interval else "")


def figures(case: CaseVerdict) -> list[str]:
    """All of them, each a line."""
    verdict = case.verdict
    there, here = values(case)
    lines = [f"metric: {METRICS[verdict.metric].title}", f"baseline: {there}", f"measured: {here}"]
    if change(case):
        lines.append(f"change: {change(case)}, interval of {100 * (1 - verdict.settings.alpha):g} %")
    lines.append(f"launches: {verdict.baseline_launches} and {verdict.candidate_launches}")
    return lines
