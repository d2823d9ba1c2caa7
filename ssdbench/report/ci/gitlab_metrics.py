"""A metrics report for GitLab: the values of the candidate, which GitLab compares with those of the target branch.

The case is the only label: one that changes from run to run would make every metric a new one. GitLab cuts a line at
`#` and splits the rest like a shell, so characters that are special to a shell are replaced.
"""

import re

from ssdbench.errors import ExitCode
from ssdbench.report.exposition import Family, exposition, family, whole_run_families
from ssdbench.report.outcome import Outcome, outcome
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.verdict import Comparison

_SHELL = re.compile(r"[^A-Za-z0-9._=,:/+-]")


def render(comparison: Comparison, code: ExitCode) -> str:
    """Gauges with the label `case`: the gated metric of each case, and whether it passed; then those of all cases."""
    cases = [(_SHELL.sub("_", case.case_key), case.verdict) for case in comparison.cases]
    families = [
        family(
            METRICS[name],
            "",
            [
                ({"case": key}, verdict.candidate_value)
                for key, verdict in cases
                if verdict.metric == name and verdict.candidate_value is not None
            ],
        )
        for name in dict.fromkeys(verdict.metric for _, verdict in cases)
    ]
    passed = [({"case": key}, float(outcome(verdict) is Outcome.PASSED)) for key, verdict in cases]
    meaning = "1: unchanged, improved, waived or fits now; 0: every other verdict"
    exit_code: list[tuple[dict[str, str], float]] = [({}, float(code))]
    families += [
        Family(name="ssdbench_passed", unit="", help=meaning, samples=passed),
        Family(name="ssdbench_exit_code", unit="", help="exit code of the comparison", samples=exit_code),
        *whole_run_families(comparison, {}),
    ]
    return exposition(families)
