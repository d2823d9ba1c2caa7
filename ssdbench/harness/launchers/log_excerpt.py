"""The part of a log that a record keeps: its end, and the errors above, in a few kilobytes."""

import re
from pathlib import Path

from ssdbench.harness.launchers.left_files import shorten_bytes

_LINES = 30
_ERRORS = 10
_LINE_BYTES = 400
LOG_BYTES = (_LINES + _ERRORS + 1) * (_LINE_BYTES + 1)
"""No excerpt is longer, in UTF-8."""
# Of a longer log only the end is searched.
_SEARCHED_BYTES = 2**20
_GAP = "[...]"
# The frames and headings of stack dumps: a launch at its time limit writes hundreds, below the line that says why.
_STACK = re.compile(r'\s*File "|(Current t|T)hread 0x')
_ERROR = re.compile(
    r"error|exception|fatal|unable to|cannot|can't|failed|no space|not enough|insufficient|killed|refused|denied"
    r"|unreachable|could not",
    re.IGNORECASE,
)


def excerpt(log: Path) -> str:
    """The last lines of a log after the first errors above them; empty if there is no log."""
    lines = _read_end(log)
    above, end = lines[:-_LINES], lines[-_LINES:]
    errors = dict.fromkeys(line for line in above if _ERROR.search(line) and not _STACK.match(line))
    kept = [*list(errors)[:_ERRORS], _GAP] if errors else []
    return "\n".join([*kept, *end])


def _read_end(log: Path) -> list[str]:
    """The last lines of a log, each cut."""
    try:
        if not log.is_file():
            return []
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _SEARCHED_BYTES))
            content = file.read()
    except OSError:
        return []
    # Lines end where a terminal ends them: str.splitlines would also split at a separator within a message.
    lines = re.split(r"[\r\n]+", content.decode("utf-8", errors="replace").rstrip("\r\n"))
    return [shorten_bytes(line, _LINE_BYTES) for line in lines]
