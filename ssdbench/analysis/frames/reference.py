"""The columns of every frame as the tables of docs/python.md.

python -m ssdbench.analysis.frames.reference docs/python.md    # write them anew after a change
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ssdbench.analysis.frames.cells import CELL_COLUMNS
from ssdbench.analysis.frames.columns import Column
from ssdbench.analysis.frames.history import HISTORY_COLUMNS
from ssdbench.analysis.frames.launches import COLUMNS as LAUNCH_COLUMNS
from ssdbench.analysis.frames.published import PUBLISHED_COLUMNS
from ssdbench.analysis.frames.steps import CURVE_COLUMNS, PHASE_COLUMNS, STEP_COLUMNS
from ssdbench.analysis.frames.verdicts import JUDGED_COLUMNS, VERDICT_COLUMNS

FRAMES: Mapping[str, Sequence[Column]] = {
    "launches": LAUNCH_COLUMNS,
    "steps": STEP_COLUMNS,
    "phases": PHASE_COLUMNS,
    "verdicts": VERDICT_COLUMNS,
    "history": HISTORY_COLUMNS,
    "curves": CURVE_COLUMNS,
    "table": CELL_COLUMNS,
    "published": PUBLISHED_COLUMNS,
    "judge": JUDGED_COLUMNS,
}
_TABLE = re.compile(r"(<!-- columns of (\w+) -->\n)(?:\|.*\n)*")


def with_columns(page: str) -> str:
    """The page, each `<!-- columns of FRAME -->` followed by the table of that frame."""
    return _TABLE.sub(lambda found: found[1] + _table(FRAMES[found[2]]), page)


def _table(columns: Sequence[Column]) -> str:
    rows = [f"| `{column.name}` | {column.dtype} | {column.meaning} |" for column in columns]
    return "\n".join(["| column | dtype | meaning |", "|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(with_columns(path.read_text(encoding="utf-8")), encoding="utf-8")
