"""The acceptance of a baseline as Markdown for its reviewer: the reason, old and new values, changes."""

from collections.abc import Iterable, Mapping, Sequence

from ssdbench.report.baselines import accepted_regression_text
from ssdbench.report.escape import markdown
from ssdbench.report.figures import change, values
from ssdbench.report.numbers import shown_unit, significant_digits, value_text
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.verdict import Baseline, CaseFigure, Comparison


def render_note(
    baseline: Baseline, comparison: Comparison | None, figures: Sequence[CaseFigure], unfit: Mapping[str, str]
) -> str:
    """The note on the last acceptance of `baseline`; `comparison` is with the one it replaced, None if there was none.

    `unfit` has the titles of cases that are kept as not fitting into the GPU's memory, by case key.
    """
    header, entry = baseline.header, baseline.history[-1]
    titles = {figure.case_key: figure.title for figure in figures}
    if comparison:
        titles |= {case.case_key: case.title for case in comparison.cases}
    lines = [
        f"## Baseline {markdown(header.name)} of {markdown(header.hardware.key)}",
        "",
        f"Because: {markdown(entry.reason)}",
        "",
        _runs(baseline, comparison),
        "",
        *(_changes(comparison) if comparison else _figures(figures)),
    ]
    lowered = [
        f"{_title(titles, bar.case_key)}: {markdown(accepted_regression_text(bar))}"
        for bar in entry.accepted_regressions
    ]
    lines += _listed("Regressions allowed (--allow-regression)", lowered)
    lines += _listed("Cases that do not fit into the GPU's memory", map(markdown, unfit.values()))
    lines += _listed("Cases dropped (--drop-cases)", [_title(titles, key) for key in entry.dropped])
    if entry.reset_anchor:
        lines += ["", "These launches are the new anchor: creep is measured from them."]
    return "\n".join(lines) + "\n"


def _runs(baseline: Baseline, comparison: Comparison | None) -> str:
    entry = baseline.history[-1]
    new = f"Runs: {markdown(', '.join(entry.run_ids))}."
    if entry.cases is not None:
        return f"{new} Only the cases below move to them, those of earlier runs stay."
    if comparison is None or comparison.baseline_run_id is None:
        return f"{new} There was no baseline of this name before."
    return f"{new} They replace run {markdown(comparison.baseline_run_id)}."


def _changes(comparison: Comparison) -> list[str]:
    rows = [
        [case.title, *values(case), change(case), case.verdict.status.value.replace("_", " ")]
        for case in comparison.cases
    ]
    return _table(["case", "old", "new", "change", "verdict"], rows)


def _figures(figures: Iterable[CaseFigure]) -> list[str]:
    rows = []
    for figure in figures:
        metric, digits = METRICS[figure.metric], significant_digits((figure.high - figure.low) / figure.value)
        value = f"{value_text(metric, figure.value, digits)} {shown_unit(metric)}"
        rows.append([figure.title, value, str(figure.launches)])
    return _table(["case", "value", "launches"], rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return head + [f"| {' | '.join(map(markdown, row))} |" for row in rows]


def _listed(heading: str, items: Iterable[str]) -> list[str]:
    listed = [f"- {item}" for item in items]
    return ["", f"{heading}:", "", *listed] if listed else []


def _title(titles: Mapping[str, str], key: str) -> str:
    return markdown(titles.get(key, key))
