"""One line, for a chat message: the result and, where there are, creep, changes of the suite, waivers to put right."""

from ssdbench.errors import ExitCode
from ssdbench.report.creep import creep_text
from ssdbench.report.headline import headline
from ssdbench.report.order import order_text
from ssdbench.report.suite_change import suite_text
from ssdbench.report.waivers import waiver_summary
from ssdbench.schema.plain_text import one_line
from ssdbench.schema.verdict import Comparison


def render(comparison: Comparison, code: ExitCode) -> str:
    """The result, the run and the machine."""
    answer = headline(comparison, code).short
    more = []
    if code is not ExitCode.CREPT:  # it is the result
        more += [creep_text(creep, comparison.settings) for creep in comparison.creep if creep.worse]
    if comparison.suite and comparison.suite.is_shown:
        more.append(suite_text(comparison.suite))
    said = "; ".join(filter(None, [answer, *more, order_text(comparison), waiver_summary(comparison)]))
    return one_line(f"ssdbench: {said} (run {comparison.run_id}, {comparison.hardware_key})") + "\n"
