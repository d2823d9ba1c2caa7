from dataclasses import replace

import pytest

from ssdbench.errors import ExitCode
from ssdbench.report.headline import headline
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import CaseVerdict, Comparison, Mode, Status, Verdict


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
            "Regressed: 1 of 2 cases got worse, case 0: median step time +8.1%. The 99% interval is +7.2% to "
            "+9.0%. The chance of any false alarm in this run is at most 1%.",
        ),
        (
            (WORSE, WORSE, SAME),
            ExitCode.REGRESSED,
            "Regressed: 2 of 3 cases got worse; worst: case 0: median step time +8.1%. The 99% interval of the "
            "largest change is +7.2% to +9.0%. The chance of any false alarm in this run is at most 1%.",
        ),
        (
            (SAME, Status.IMPROVED, Status.SKIPPED),
            ExitCode.OK,
            "No regression: 2 of 3 cases stayed within 1% or improved (1 improved). The whole 99% interval of every "
            "unchanged case is within the margin of 1%.",
        ),
        (
            (SAME, Status.LEFT_OUT, Status.LEFT_OUT),
            ExitCode.OK,
            "No regression: 1 of 3 cases stayed within 1% or improved; 2 left out by --case. The whole 99% interval of "
            "every unchanged case is within the margin of 1%.",
        ),
        (
            (WORSE, Status.NO_LONGER_FITS, Status.DOES_NOT_FIT, Status.DOES_NOT_FIT),
            ExitCode.REGRESSED,
            "Regressed: 1 of 4 cases got worse, case 0: median step time +8.1%; 1 no longer fits into the GPU's "
            "memory; 2 do not fit into the GPU's memory, as before. The 99% interval is +7.2% to +9.0%. The "
            "chance of any false alarm in this run is at most 1%.",
        ),
        (
            (Status.NO_LONGER_FITS, Status.NO_LONGER_FITS, SAME),
            ExitCode.REGRESSED,
            "Regressed: 2 of 3 cases no longer fit into the GPU's memory, first case 0. Every launch ran out of "
            "memory.",
        ),
        (
            (Status.FITS_NOW, SAME, Status.DOES_NOT_FIT),
            ExitCode.OK,
            "No regression: 1 of 3 cases stayed within 1% or improved; 1 fits into the GPU's memory now; 1 does "
            "not fit into the GPU's memory, as before. The whole 99% interval of every unchanged case is within "
            "the margin of 1%.",
        ),
        (
            (Status.FITS_NOW, Status.SKIPPED),
            ExitCode.OK,
            "No regression: 1 fits into the GPU's memory now. No values were compared.",
        ),
        (
            (OPEN, SAME),
            ExitCode.INCONCLUSIVE,
            "Inconclusive: 1 of 2 cases has no clear result; no regression in the 1 judged. The 99% interval is "
            "neither inside the margin of 1% nor clearly outside it.",
        ),
        (
            (OPEN, OPEN),
            ExitCode.OK,  # `ssdbench nightly` only warns of it
            "Inconclusive: 2 of 2 cases have no clear result; no case could be judged. Their 99% intervals are "
            "neither inside the margin of 1% nor clearly outside it.",
        ),
        (
            (SAME, Status.IMPROVED, Status.IMPROVED),
            ExitCode.REGRESSED,  # `ssdbench nightly --a-a`: no build is better than itself
            "False alarm: 2 of 3 cases improved, first case 1: median step time +8.1%. Both arms were the same build.",
        ),
        (
            (Status.FAILED, OPEN),
            ExitCode.CASE_FAILED,
            "Failed: 1 of 2 cases did not finish, first case 0; no case could be judged. Anything that was not judged "
            "may have changed.",
        ),
        (
            (Status.NOT_RUN, Status.NO_BASELINE, Status.NO_BASELINE, SAME),
            ExitCode.NOT_COVERED,
            "Not covered: 3 of 4 cases were not judged (1 not run, 2 no baseline); no regression in the 1 judged. "
            "Anything that was not judged may have changed.",
        ),
    ],
)
def test_the_answer_says_where_how_much_and_how_sure(statuses: tuple[Status, ...], code: ExitCode, text: str):
    assert headline(a_comparison(*statuses), code).text == text


@pytest.mark.parametrize(("status", "code"), [(OPEN, ExitCode.INCONCLUSIVE), (WORSE, ExitCode.REGRESSED)])
def test_changes_against_too_few_stored_sessions_have_no_interval_and_that_is_said_once(status: Status, code: ExitCode):
    found = a_comparison(status, status)
    without = [replace(case.verdict, mode=Mode.STORED, low=None, high=None) for case in found.cases]
    cases = tuple(replace(case, verdict=verdict) for case, verdict in zip(found.cases, without, strict=True))
    text = headline(replace(found, cases=cases), code).certainty
    reason = "No interval is given: it takes 5 stored sessions to show how far one build drifts between sessions."
    assert text.startswith(reason)
    assert "99%" not in text
    assert "No interval" not in headline(found, code).certainty
