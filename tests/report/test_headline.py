from dataclasses import replace

import pytest

from ssdbench.errors import ExitCode
from ssdbench.report.headline import headline
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import CaseVerdict, Comparison, Status, Verdict


def a_comparison(*statuses: Status) -> Comparison:
    bare = Verdict(status=Status.UNCHANGED, metric="latency_p50", sentence="", settings=Settings())
    changed = replace(bare, change=0.081, low=0.072, high=0.09)
    cases = tuple(
        CaseVerdict(case_key=f"case-{n}", title=f"case {n}", verdict=replace(changed, status=status))
        for n, status in enumerate(statuses)
    )
    return Comparison(
        schema_version=SCHEMA_VERSION,
        run_id="run-1",
        hardware_key="cpu",
        baseline="main",
        baseline_run_id="run-0",
        settings=Settings(),
        cases=cases,
    )


SAME, WORSE, OPEN = Status.UNCHANGED, Status.REGRESSED, Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("statuses", "code", "text"),
    [
        (
            (WORSE, SAME),
            ExitCode.REGRESSED,
            "Regressed: 1 of 2 cases got worse, case 0: median step time +8.1%. With 99% confidence the change is "
            "+7.2% to +9.0%. The chance of any false alarm among all cases is at most 1%.",
        ),
        (
            (WORSE, WORSE, SAME),
            ExitCode.REGRESSED,
            "Regressed: 2 of 3 cases got worse, most case 0: median step time +8.1%. With 99% confidence the largest "
            "change is +7.2% to +9.0%. The chance of any false alarm among all cases is at most 1%.",
        ),
        (
            (SAME, Status.IMPROVED, Status.SKIPPED),
            ExitCode.OK,
            "No regression: 2 of 3 cases stayed within 1% or got better (1 improved). Of each unchanged case the whole "
            "99% interval lies within the margin of 1%.",
        ),
        (
            (WORSE, Status.NO_LONGER_FITS, Status.DOES_NOT_FIT, Status.DOES_NOT_FIT),
            ExitCode.REGRESSED,
            "Regressed: 1 of 4 cases got worse, case 0: median step time +8.1%; 1 no longer fits into the GPU's "
            "memory; 2 do not fit into the GPU's memory, as before. With 99% confidence the change is +7.2% to +9.0%. "
            "The chance of any false alarm among all cases is at most 1%.",
        ),
        (
            (Status.NO_LONGER_FITS, Status.NO_LONGER_FITS, SAME),
            ExitCode.REGRESSED,
            "Regressed: 2 of 3 cases no longer fit into the GPU's memory, first case 0. Every launch of it ran out of "
            "memory.",
        ),
        (
            (Status.FITS_NOW, SAME, Status.DOES_NOT_FIT),
            ExitCode.OK,
            "No regression: 1 of 3 cases stayed within 1% or got better; 1 fits into the GPU's memory now; 1 does "
            "not fit into the GPU's memory, as before. Of each unchanged case the whole 99% interval lies within the "
            "margin of 1%.",
        ),
        (
            (Status.FITS_NOW, Status.SKIPPED),
            ExitCode.OK,
            "No regression: 1 fits into the GPU's memory now. No figures were compared.",
        ),
        (
            (OPEN, SAME),
            ExitCode.INCONCLUSIVE,
            "Inconclusive: 1 of 2 cases without a verdict; no regression among the 1 judged. The 99% intervals of "
            "these are neither within the margin of 1% nor surely beyond it.",
        ),
        (
            (Status.FAILED, OPEN),
            ExitCode.CASE_FAILED,
            "Failed: 1 of 2 cases did not run to the end, first case 0; no case could be judged. What was not judged "
            "may have changed.",
        ),
        (
            (Status.NOT_RUN, Status.NO_BASELINE, Status.NO_BASELINE, SAME),
            ExitCode.NOT_COVERED,
            "Not covered: 3 of 4 cases without a verdict (1 not run, 2 no baseline); no regression among the 1 judged. "
            "What was not judged may have changed.",
        ),
    ],
)
def test_the_answer_says_where_how_much_and_how_sure(statuses: tuple[Status, ...], code: ExitCode, text: str):
    assert headline(a_comparison(*statuses), code).text == text
