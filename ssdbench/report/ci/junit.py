"""JUnit XML, as Jenkins, GitLab and GitHub Actions read it: a test case for each case and its metric.

`report.outcome` maps verdicts to results; a waived case is skipped, since readers hide the text of a pass. If the exit
code is not 0 but no case is to blame (nothing was judged), an extra test case fails: the file has failures or errors if
and only if the exit code is not 0.

Creep has a test case for each of the older results: it fails where the exit code is that of creep, and is skipped, with
its sentence, where creep was found and does not decide. The output of the whole suite has its change, a large order
effect, and the waivers to put right.
"""

from collections import Counter
from xml.etree import ElementTree

from ssdbench.errors import EXIT_CODES, ExitCode
from ssdbench.report.creep import KEPT, creep_text
from ssdbench.report.figures import change, figures
from ssdbench.report.order import order_text
from ssdbench.report.outcome import Outcome, because, outcome
from ssdbench.report.suite_change import suite_text
from ssdbench.report.waivers import TITLE, waiver_notes
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.plain_text import visible
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import CaseVerdict, Comparison, Creep, Status

_ELEMENTS = {Outcome.FAILED: "failure", Outcome.ERROR: "error", Outcome.SKIPPED: "skipped"}


def render(comparison: Comparison, code: ExitCode) -> str:
    """The whole document."""
    counts = Counter(_outcome(case) for case in comparison.cases)
    counts.update(_creep_outcome(creep, code) for creep in comparison.creep)
    is_unexplained = code is not ExitCode.OK and not counts[Outcome.FAILED] + counts[Outcome.ERROR]
    suites = ElementTree.Element("testsuites", name="ssdbench")
    suite = ElementTree.SubElement(
        suites,
        "testsuite",
        name=visible(f"ssdbench {comparison.hardware_key} against {comparison.baseline}"),
        tests=str(counts.total() + is_unexplained),
        failures=str(counts[Outcome.FAILED] + is_unexplained),
        errors=str(counts[Outcome.ERROR]),
        skipped=str(counts[Outcome.SKIPPED]),
    )
    for case in comparison.cases:
        _add_case(suite, case)
    for creep in comparison.creep:
        _add_creep(suite, creep, code, comparison.settings)
    if is_unexplained:
        whole = ElementTree.SubElement(suite, "testcase", classname="ssdbench", name="a case was judged")
        ElementTree.SubElement(whole, "failure", type=code.name.lower(), message=EXIT_CODES[code])
    said = [suite_text(comparison.suite)] if comparison.suite else []
    said += [text] if (text := order_text(comparison)) else []
    said += [f"{TITLE}: {note}" for note in waiver_notes(comparison)]
    if said:
        ElementTree.SubElement(suite, "system-out").text = visible("\n".join(said))
    ElementTree.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suites, encoding="unicode")}\n'


def _outcome(case: CaseVerdict) -> Outcome:
    return Outcome.SKIPPED if case.verdict.status is Status.WAIVED else outcome(case.verdict)


def _creep_outcome(creep: Creep, code: ExitCode) -> Outcome:
    if not creep.worse:
        return Outcome.PASSED if creep.compared_cases else Outcome.SKIPPED
    return Outcome.FAILED if code is ExitCode.CREPT else Outcome.SKIPPED


def _add_creep(suite: ElementTree.Element, creep: Creep, code: ExitCode, settings: Settings) -> None:
    name = f"no creep away from {KEPT[creep.against]} of {creep.baseline}"
    added = ElementTree.SubElement(suite, "testcase", classname="ssdbench.creep", name=visible(name))
    result, sentence = _creep_outcome(creep, code), visible(creep_text(creep, settings))
    if result in _ELEMENTS:
        ElementTree.SubElement(added, _ELEMENTS[result], type="creep", message=sentence)
    lines = [sentence, *(f"{case.title}: {change(case)}" for case in creep.worse)]
    ElementTree.SubElement(added, "system-out").text = visible("\n".join(lines))


def _add_case(suite: ElementTree.Element, case: CaseVerdict) -> None:
    verdict = case.verdict
    name = f"{case.title}: {METRICS[verdict.metric].title}"
    added = ElementTree.SubElement(suite, "testcase", classname=visible(case.case_key), name=visible(name))
    result = _outcome(case)
    sentence = visible(because(case))
    if result in _ELEMENTS:
        found = ElementTree.SubElement(added, _ELEMENTS[result], type=verdict.status.value, message=sentence)
        found.text = sentence
    output = ElementTree.SubElement(added, "system-out")
    output.text = visible("\n".join([f"{verdict.status.value}: {because(case)}", *figures(case)]))
