"""Judges launches of two arms that came from elsewhere, as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ssdbench.analysis.verdicts.interleaved import judge
from ssdbench.analysis.verdicts.order import order_effect
from ssdbench.analysis.verdicts.quantised import quantised_note
from ssdbench.analysis.verdicts.single_shot import judge_single_shot
from ssdbench.analysis.verdicts.stored import judge_stored
from ssdbench.analysis.verdicts.suite_change import suite_change
from ssdbench.errors import ExitCode
from ssdbench.harness.readers import launch_csv
from ssdbench.harness.readers.launch_metrics import metrics_of_cases
from ssdbench.schema.metrics import Direction, Metric
from ssdbench.schema.settings import Settings
from ssdbench.schema.suite_change import SuiteChange
from ssdbench.schema.verdict import Mode, OrderEffect, Status, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class TableJudgement:
    """The verdict on each case, which of its values are better, and how many of its launches lack a partner.

    `order_effect` is that of all pairs, None where their order is not known.
    `suite` is the change of all cases together, None where there are too few, or the sessions are stored ones.
    `quantised` has a sentence on each case whose values are rounded too coarsely.
    """

    verdicts: dict[str, Verdict]
    directions: dict[str, Direction]
    mode: Mode
    unpaired: dict[str, int]
    suite: SuiteChange | None = None
    order_effect: OrderEffect | None = None
    quantised: Mapping[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> ExitCode:
        """3 where a case regressed, 5 where one is inconclusive, else 0."""
        statuses = {verdict.status for verdict in self.verdicts.values()}
        if Status.REGRESSED in statuses:
            return ExitCode.REGRESSED
        return ExitCode.INCONCLUSIVE if Status.INCONCLUSIVE in statuses else ExitCode.OK


def judge_rows(
    rows: Sequence[launch_csv.Row], *, settings: Settings, better: Direction | None = None, mode: Mode | None = None
) -> TableJudgement:
    """Judge the launches of a table.

    Args:
        rows: the launches.
        settings: margin and levels of the decision.
        better: which values are better; None: as the table says (`launch_metrics.metrics_of_cases`).
        mode: how to judge; None: as its columns say (`launch_csv.detect_mode`).

    Raises:
        UsageError: directions that disagree or that nobody says.
    """
    metrics = metrics_of_cases(rows, better)
    chosen = mode or launch_csv.detect_mode(rows)
    verdicts = _judged(rows, metrics, chosen, settings)
    return TableJudgement(
        verdicts=verdicts,
        directions={case: metric.direction for case, metric in metrics.items()},
        mode=chosen,
        suite=suite_change([(metrics[case], verdict) for case, verdict in verdicts.items()], settings),
        unpaired=launch_csv.count_unpaired(rows) if chosen is Mode.INTERLEAVED else {},
        order_effect=None
        if chosen is Mode.STORED
        else order_effect(launch_csv.launches_by_case(rows, metrics, chosen), settings),
        quantised=_quantised(rows),
    )


def _quantised(rows: Sequence[launch_csv.Row]) -> dict[str, str]:
    values: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        values.setdefault(row.case, {}).setdefault(f"{row.arm} {row.session}", []).append(row.value)
    notes = {case: quantised_note(*arms.values()) for case, arms in values.items()}
    return {case: note for case, note in notes.items() if note}


def _judged(
    rows: Sequence[launch_csv.Row], metrics: Mapping[str, Metric], mode: Mode, settings: Settings
) -> dict[str, Verdict]:
    if mode is Mode.STORED:
        return judge_stored(launch_csv.group_sessions(rows, metrics), settings)
    launches = launch_csv.launches_by_case(rows, metrics, mode)
    return judge(launches, settings) if mode is Mode.INTERLEAVED else judge_single_shot(launches, settings)
