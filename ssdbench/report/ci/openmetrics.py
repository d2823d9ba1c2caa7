"""A comparison as OpenMetrics text, for Prometheus: values, changes and verdicts of all cases, creep, the suite."""

from collections.abc import Callable

from ssdbench.errors import ExitCode
from ssdbench.report.exposition import Family, exposition, family, run_family, whole_run_families
from ssdbench.report.outcome import Outcome, outcome
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.verdict import CaseVerdict, Comparison, Verdict


def render(comparison: Comparison, code: ExitCode) -> str:
    """Gauges with the labels `case`, `hardware` and `baseline`, so that a case is one series over all runs.

    Against another run `baseline` is empty: its id would begin new series each time.
    """
    baseline = "" if comparison.baseline == comparison.baseline_run_id else comparison.baseline
    shared = {"hardware": comparison.hardware_key, "baseline": baseline}

    def labels(case: CaseVerdict, **more: str) -> dict[str, str]:
        return {"case": case.case_key, **shared, **more}

    def samples(name: str, value: Callable[[Verdict], float | None]) -> list[tuple[dict[str, str], float]]:
        found = [(labels(case), value(case.verdict)) for case in comparison.cases if case.verdict.metric == name]
        return [(names, number) for names, number in found if number is not None]

    families = []
    for name in dict.fromkeys(case.verdict.metric for case in comparison.cases):
        families.append(family(METRICS[name], "", samples(name, lambda verdict: verdict.candidate_value)))
        families.append(family(METRICS[name], "baseline", samples(name, lambda verdict: verdict.baseline_value)))
    changes = [(labels(case), case.verdict.change) for case in comparison.cases]
    families += [
        run_family(comparison.run_id, comparison.hardware_key),
        Family(
            name="ssdbench_change_ratio",
            unit="ratio",
            help="change of the gated metric relative to the baseline",
            samples=[(names, value) for names, value in changes if value is not None],
        ),
        Family(
            name="ssdbench_passed",
            unit="",
            help="1: unchanged, improved, waived or fits now; 0: every other verdict, see the label",
            samples=[
                (labels(case, verdict=case.verdict.status.value), float(outcome(case.verdict) is Outcome.PASSED))
                for case in comparison.cases
            ],
        ),
        Family(
            name="ssdbench_exit_code",
            unit="",
            help="exit code of the comparison",
            samples=[(shared, float(code))],
        ),
        *whole_run_families(comparison, shared),
        Family(
            name="ssdbench_creep_change_ratio",
            unit="ratio",
            help="change since the anchor or the last release of each case that is worse by more than the margin",
            samples=[
                (labels(case, against=creep.against), case.verdict.change)
                for creep in comparison.creep
                for case in creep.worse
                if case.verdict.change is not None
            ],
        ),
    ]
    return exposition(families)
