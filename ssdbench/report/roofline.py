"""Predicted step times for a terminal: each case next to its measurement, and by group of operations."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ssdbench.report.numbers import rounded
from ssdbench.report.tables import case_cell, new_table
from ssdbench.schema.roofline import CasePrediction, Roofline

_NAMES = {"batch_norm": "BatchNorm", "relu": "ReLU", "optimizer": "optimiser"}


def render_roofline(roofline: Roofline, *, groups: bool) -> RenderableType:
    """The ceilings, a row for each case, and with `groups` a table of operation groups for each case."""
    parts: list[RenderableType] = [_ceilings(roofline), Text()]
    if roofline.cases:
        parts.append(_cases(roofline.cases))
    for case in roofline.cases if groups else ():
        parts += [Text(), Text(case.case.title, "bold"), _groups(case)]
    parts += [Text(f"{key}: {reason}", "yellow") for key, reason in roofline.skipped.items()]
    if notes := _notes(roofline.cases):
        parts += [Text(), Text("\n".join(notes), "dim")]
    return Group(*parts)


def _ceilings(roofline: Roofline) -> Text:
    found = roofline.ceilings
    rates = [f"{name} {rounded(rate / 1e12, 3)} TFLOP/s" for name, rate in found.matmul_flop_per_second.items()]
    parts = [*rates, f"copy {rounded(found.copy_bytes_per_second / 1e12, 3)} TB/s"]
    if found.host_seconds_per_operation is not None:
        parts.append(f"host {rounded(found.host_seconds_per_operation * 1e6, 3)} µs per operation")
    return Text(f"ceilings: {', '.join(parts)}\n({found.source})", "dim")


def _cases(cases: Sequence[CasePrediction]) -> Table:
    measured = any(case.measured_step_seconds is not None for case in cases)
    columns = ["predicted", "measured", "of roofline"] if measured else ["predicted", "images/s"]
    table = new_table("case", *columns, "of matrix ceiling", "limited by")
    for case in cases:
        cells = [_milliseconds(case.predicted_step_seconds)]
        if measured:
            cells += [_milliseconds(case.measured_step_seconds), _percent(case.share_of_roofline)]
        else:
            cells.append(rounded(case.predicted_images_per_second, 3))
        table.add_row(case_cell(case.case.title), *cells, _percent(case.share_of_matmul_ceiling), _limit(case))
    return table


def _limit(case: CasePrediction) -> str:
    return "host" if case.bound == "host" else _name(max(case.groups, key=lambda group: group.seconds).group)


def _groups(case: CasePrediction) -> Table:
    table = new_table("group", "time", "share", "GFLOP", "GB", "operations")
    for group in case.groups:
        table.add_row(
            _name(group.group),
            _milliseconds(group.seconds),
            _percent(group.seconds / case.device_seconds),
            rounded(group.flop / 1e9, 3),
            rounded(group.bytes / 1e9, 3),
            str(group.launches),
        )
    table.add_row("total", _milliseconds(case.device_seconds), "", *_sums(case), str(case.launches), style="bold")
    if case.host_seconds is not None:
        table.add_row("host, submitting", _milliseconds(case.host_seconds), "", "", "", "")
    return table


def _sums(case: CasePrediction) -> tuple[str, str]:
    return rounded(case.flop / 1e9, 3), rounded(case.bytes / 1e9, 3)


def _notes(cases: Sequence[CasePrediction]) -> list[str]:
    notes = []
    if any(case.case.compile for case in cases):
        notes.append("Compiled cases are compared with the eager step: they fuse operations and may be faster.")
    if any(case.case.world_size > 1 for case in cases):
        notes.append("Steps on several GPUs are compared with one GPU: averaging gradients is not in the prediction.")
    if any(case.case.pipeline != "resident" and case.measured_step_seconds is not None for case in cases):
        notes.append("Measured steps include waiting for batches, the prediction does not.")
    return notes


def _name(group: str) -> str:
    return _NAMES.get(group, group)


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{rounded(1e3 * seconds, 3)} ms"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{rounded(100 * share, 3)}%"
