"""The metrics that are not gated, each with the interval of its change: reported, never judged.

Their intervals are those of a single shot where both arms were measured together, else those of stored sessions
(`single_shot`, `stored`). They are not corrected for their number: one of a hundred misses the true change.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ssdbench.analysis.metrics import figure, gated_metric
from ssdbench.analysis.verdicts.single_shot import judge_single_shot
from ssdbench.analysis.verdicts.stored import judge_stored
from ssdbench.schema.launch_rules import usable_measurement
from ssdbench.schema.launch_values import Arms, CaseLaunches, CaseSessions
from ssdbench.schema.metrics import METRICS, RESTATED
from ssdbench.schema.record import Record
from ssdbench.schema.verdict import Comparison, MetricChange, Mode, Verdict

_Key = tuple[str, str]
_Sessions = Mapping[str, list[float]]


def ungated_changes(
    comparison: Comparison, baseline: Iterable[Record], measured: Iterable[Record]
) -> tuple[MetricChange, ...]:
    """All metrics but the gated one of every case that was judged, in the order of the comparison.

    A metric that one side does not have (a tail percentile of too few steps) is left out, and so is one that says again
    what the throughput says.
    """
    judged = {case.case_key: case for case in comparison.cases if case.verdict.mode is not None}
    there, here = _values(baseline, judged.keys()), _values(measured, judged.keys())
    both = {key: (there[key], values) for key, values in here.items() if key in there}
    interleaved = any(case.verdict.mode is Mode.INTERLEAVED for case in judged.values())
    verdicts = _in_one_shot(both, comparison) if interleaved else _by_sessions(both, comparison)
    return tuple(
        _change(judged[case].title, case, metric, verdicts[f"{case} {metric}"])
        for case in judged
        for metric in METRICS
        if (case, metric) in both
    )


def _values(records: Iterable[Record], cases: Iterable[str]) -> dict[_Key, dict[str, list[float]]]:
    """Values by case and metric, then by session."""
    wanted = set(cases)
    found: dict[_Key, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        measurement = usable_measurement(record)
        if measurement is None or record.case.key not in wanted:
            continue
        gated = gated_metric(record.case).name
        for metric in METRICS:
            value = None if metric == gated or metric in RESTATED else figure(metric, measurement)
            if value is not None:
                found[record.case.key, metric][record.run_id].append(value)
    return found


def _in_one_shot(both: Mapping[_Key, tuple[_Sessions, _Sessions]], comparison: Comparison) -> dict[str, Verdict]:
    cases = {
        f"{case} {metric}": CaseLaunches(
            metric=METRICS[metric], measure=Arms(baseline=_all(there), candidate=_all(here))
        )
        for (case, metric), (there, here) in both.items()
    }
    return judge_single_shot(cases, comparison.settings)


def _by_sessions(both: Mapping[_Key, tuple[_Sessions, _Sessions]], comparison: Comparison) -> dict[str, Verdict]:
    cases = {
        f"{case} {metric}": CaseSessions(
            metric=METRICS[metric],
            baseline=tuple(map(tuple, there.values())),
            candidate=tuple(map(tuple, here.values())),
        )
        for (case, metric), (there, here) in both.items()
    }
    return judge_stored(cases, comparison.settings)


def _all(sessions: _Sessions) -> tuple[float, ...]:
    return tuple(value for values in sessions.values() for value in values)


def _change(title: str, case_key: str, metric: str, verdict: Verdict) -> MetricChange:
    return MetricChange(
        case_key=case_key,
        title=title,
        metric=metric,
        baseline_value=verdict.baseline_value,
        candidate_value=verdict.candidate_value,
        change=verdict.change,
        low=verdict.low,
        high=verdict.high,
    )
