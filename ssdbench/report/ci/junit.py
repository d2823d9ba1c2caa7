"""JUnit XML, as Jenkins, GitLab and GitHub Actions read it: a test case for each case and its metric.

`report.outcome` maps verdicts to results. If the exit code is not 0 but no case is to blame (nothing was judged), an
extra test case fails: the file has failures or errors if and only if the exit code is not 0.
"""

from collections import Counter
from xml.etree import ElementTree

from ssdbench.errors import EXIT_CODES, ExitCode
from ssdbench.report.figures import figures
from ssdbench.report.outcome import Outcome, because, outcome
from ssdbench.schema.plain_text import visible
from ssdbench.schema.verdict import METRICS, CaseVerdict, Comparison

_ELEMENTS = {Outcome.FAILED: "failure", Outcome.ERROR: "error", Outcome.SKIPPED: "skipped"}


def render(comparison: Comparison, code: ExitCode) -> str:
    """The whole document."""
    counts = Counter(outcome(case.verdict) for case in comparison.cases)
    is_unexplained = code is not ExitCode.OK and not counts[Outcome.FAILED] + counts[Outcome.ERROR]
    suites = ElementTree.Element("testsuites", name="ssdbench")
    suite = ElementTree.SubElement(
        suites,
        "testsuite",
        name=visible(f"ssdbench {comparison.hardware_key} against {comparison.baseline}"),
        tests=str(len(comparison.cases) + is_unexplained),
        failures=str(counts[Outcome.FAILED] + is_unexplained),
        errors=str(counts[Outcome.ERROR]),
        skipped=str(counts[Outcome.SKIPPED]),
    )
    for case in comparison.cases:
        _add_case(suite, case)
    if is_unexplained:
        whole = ElementTree.SubElement(suite, "testcase", classname="ssdbench", name="a case was judged")
        ElementTree.SubElement(whole, "failure", type=code.name.lower(), message=EXIT_CODES[code])
    ElementTree.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suites, encoding="unicode")}\n'


def _add_case(suite: ElementTree.Element, case: CaseVerdict) -> None:
    verdict = case.verdict
    name = f"{case.title}: {METRICS[verdict.metric].title}"
    added = ElementTree.SubElement(suite, "testcase", classname=visible(case.case_key), name=visible(name))
    result = outcome(verdict)
    sentence = visible(because(case))
    if result in _ELEMENTS:
        found = ElementTree.SubElement(added, _ELEMENTS[result], type=verdict.status.value, message=sentence)
        found.text = sentence
    output = ElementTree.SubElement(added, "system-out")
    output.text = visible("\n".join([f"{verdict.status.value}: {because(case)}", *figures(case)]))
