"""Parts that the tables of the terminal are made of."""

from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from ssdbench.report.numbers import shown_unit, value_text
from ssdbench.schema.verdict import METRICS, Difference, Metric, Status

GAP_STYLE = "magenta"
_STYLES = {
    Status.REGRESSED: "bold red",
    Status.FAILED: "bold red",
    Status.INCONCLUSIVE: "yellow",
    Status.UNCHANGED: "green",
    Status.IMPROVED: "bold green",
    Status.SKIPPED: "dim",
}


def new_table(first: str, *others: str, number_columns: bool = True) -> Table:
    """An empty table without a frame; all columns but the first hold numbers, or none does."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right" if number_columns else "left", overflow="fold")
    return table


def case_cell(title: str) -> Text:
    """What is measured on one line, under which conditions on the next."""
    name, _, conditions = title.partition(" · ")
    return Text.assemble(name, "\n", (conditions, "dim"))


def value_cell(metric: Metric, value: float | None, digits: int) -> Text:
    """A value of the metric's unit with so many significant digits, its shown unit below."""
    if value is None:
        return Text("-", "dim")
    return Text.assemble(value_text(metric, value, digits), "\n", (shown_unit(metric), "dim"))


def difference_table(differences: Iterable[Difference], there: str = "baseline", here: str = "measured") -> Table:
    """What else is not the same on both sides."""
    table = new_table("what else changed", there, here, number_columns=False)
    for difference in differences:
        table.add_row(difference.name, Text(difference.baseline), Text(difference.measured))
    return table


def units(names: Iterable[str]) -> Text:
    """The unit and the meaning of these metrics, each once."""
    metrics = [METRICS[name] for name in dict.fromkeys(names)]
    return Text("\n".join(f"{shown_unit(metric)}: {metric.description}" for metric in metrics), "dim")


def status_word(status: Status) -> str:
    """A status as it is read aloud."""
    return status.value.replace("_", " ")


def status_style(status: Status) -> str:
    """The colour of a status; gaps in the coverage have one in common."""
    return _STYLES.get(status, GAP_STYLE)


def counted(number: int, what: str) -> str:
    """`1 case`, `2 cases`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
