"""Judges launches of two arms that came from elsewhere, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

from ssdbench.analysis.verdicts.interleaved import judge
from ssdbench.analysis.verdicts.single_shot import judge_single_shot
from ssdbench.analysis.verdicts.stored import judge_stored
from ssdbench.errors import ExitCode
from ssdbench.harness.readers import launch_csv
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Direction, Metric, Mode, Status, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class TableJudgement:
    """The verdict on each case, how they were judged, and how many launches of a case lack a partner."""

    verdicts: dict[str, Verdict]
    mode: Mode
    unpaired: dict[str, int]

    @property
    def exit_code(self) -> ExitCode:
        """3 where a case regressed, 5 where one is inconclusive, else 0."""
        statuses = {verdict.status for verdict in self.verdicts.values()}
        if Status.REGRESSED in statuses:
            return ExitCode.REGRESSED
        return ExitCode.INCONCLUSIVE if Status.INCONCLUSIVE in statuses else ExitCode.OK


def judge_rows(
    rows: Sequence[launch_csv.Row], *, margin: float, higher_is_better: bool, mode: Mode | None = None
) -> TableJudgement:
    """Judge the launches of a table; `mode` None goes by its columns (`launch_csv.detect_mode`).

    Raises:
        UsageError: a margin that cannot be.
    """
    direction = Direction.HIGHER_IS_BETTER if higher_is_better else Direction.LOWER_IS_BETTER
    metric = Metric(name="value", title="value", unit="", direction=direction, description="the column `value`")
    chosen = mode or launch_csv.detect_mode(rows)
    return TableJudgement(
        verdicts=_judged(rows, metric, chosen, Settings(margin=margin)),
        mode=chosen,
        unpaired=launch_csv.count_unpaired(rows) if chosen is Mode.INTERLEAVED else {},
    )


def _judged(rows: Sequence[launch_csv.Row], metric: Metric, mode: Mode, settings: Settings) -> dict[str, Verdict]:
    if mode is Mode.STORED:
        return judge_stored(launch_csv.group_sessions(rows, metric), settings)
    launches = launch_csv.launches_by_case(rows, metric, mode)
    return judge(launches, settings) if mode is Mode.INTERLEAVED else judge_single_shot(launches, settings)
