"""One line, for a chat message."""

from ssdbench.errors import ExitCode
from ssdbench.report.headline import headline
from ssdbench.schema.plain_text import one_line
from ssdbench.schema.verdict import Comparison


def render(comparison: Comparison, code: ExitCode) -> str:
    """The result, the run and the machine."""
    answer = headline(comparison, code).short
    return one_line(f"ssdbench: {answer} (run {comparison.run_id}, {comparison.hardware_key})") + "\n"
