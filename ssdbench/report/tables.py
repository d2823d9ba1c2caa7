"""Building blocks of the tables for a terminal."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from rich import box
from rich.table import Table
from rich.text import Text

from ssdbench.report.numbers import change_text, interval_text, shown_unit, significant_digits, spread, value_text
from ssdbench.schema.metrics import METRICS, Metric
from ssdbench.schema.verdict import Difference, MetricChange, Status, Verdict

Tone = Literal["bad", "good", "open", "gap", "quiet"]

GAP_STYLE = "magenta"
TONE_STYLES: dict[Tone, str] = {"bad": "red", "good": "green", "open": "yellow", "gap": GAP_STYLE, "quiet": "dim"}
_TONES: dict[Status, Tone] = {
    Status.REGRESSED: "bad",
    Status.NO_LONGER_FITS: "bad",
    Status.FAILED: "bad",
    Status.INCONCLUSIVE: "open",
    Status.WAIVED: "open",
    Status.UNCHANGED: "good",
    Status.IMPROVED: "good",
    Status.FITS_NOW: "good",
    Status.DOES_NOT_FIT: "quiet",
    Status.SKIPPED: "quiet",
    Status.SCREENED: "quiet",
    Status.LEFT_OUT: "quiet",
}
_DIGEST = re.compile(r"\b(sha256:[0-9a-f]{12})[0-9a-f]{52}\b")


def new_table(first: str, *others: str, number_columns: bool = True) -> Table:
    """An empty table without a frame; with `number_columns`, all columns but the first are right-aligned."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right" if number_columns else "left", overflow="fold")
    return table


def case_cell(title: str) -> Text:
    """The workload on the first line, its conditions on the second."""
    name, _, conditions = title.partition(" · ")
    return Text.assemble(name, "\n", (conditions, "dim"))


def value_cell(metric: Metric, value: float | None, digits: int) -> Text:
    """`value`, given in the metric's unit, with this many significant digits; the unit it is shown in is below."""
    if value is None:
        return Text("-", "dim")
    return Text.assemble(value_text(metric, value, digits), "\n", (shown_unit(metric), "dim"))


def change_cells(change: Verdict | MetricChange) -> list[Text]:
    """The values of baseline and candidate, and the change above its interval."""
    metric, digits = METRICS[change.metric], significant_digits(spread(change))
    return [
        value_cell(metric, change.baseline_value, digits),
        value_cell(metric, change.candidate_value, digits),
        Text.assemble(change_text(change), "\n", (interval_text(change), "dim")),
    ]


def difference_table(differences: Iterable[Difference], left: str = "baseline", right: str = "candidate") -> Table:
    """Everything else that differs between the two builds; of SHA-256 sums the first twelve digits."""
    table = new_table("what else changed", left, right, number_columns=False)
    for difference in differences:
        whole = (difference.baseline, difference.candidate)
        short = tuple(_DIGEST.sub(r"\1", text) for text in whole)
        table.add_row(Text(difference.name), *map(Text, whole if short[0] == short[1] else short))
    return table


def units(names: Iterable[str]) -> Text:
    """The unit and the meaning of each of these metrics, once; those that share a unit have their titles too."""
    metrics = [METRICS[name] for name in dict.fromkeys(names)]
    users = Counter(map(shown_unit, metrics))
    lines = [
        f"{f'{metric.title}, ' if users[shown_unit(metric)] > 1 else ''}{shown_unit(metric)}: {metric.description}"
        for metric in metrics
    ]
    return Text("\n".join(lines), "dim")


def status_word(status: Status) -> str:
    """A status in words."""
    return status.value.replace("_", " ")


def tone_of(status: Status) -> Tone:
    """The tone of a status; everything that was not covered has the tone "gap"."""
    return _TONES.get(status, "gap")


def status_style(status: Status) -> str:
    """The colour of a status for a terminal."""
    return TONE_STYLES[tone_of(status)]
