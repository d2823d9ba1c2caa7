"""The verdict rule on any DataFrame of launches."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from ssdbench.analysis.frames.verdicts import judged_frame
from ssdbench.errors import UsageError
from ssdbench.harness.readers.launch_csv import BETTER, parse_rows
from ssdbench.schema.settings import Rule, Settings
from ssdbench.schema.verdict import Mode
from ssdbench.workflows.judging_tables import judge_rows

Better = Literal["lower", "higher"]
JudgeMode = Literal["auto", "interleaved", "single-shot", "stored"]


def judge(
    launches: pd.DataFrame,
    margin: float = 0.01,
    *,
    better: Better | None = None,
    mode: JudgeMode = "auto",
    rule: Rule = "sequential",
) -> pd.DataFrame:
    """Judge launches of two arms, as `ssdbench verdict --csv` judges a file: a row for each case, in their order.

    Args:
        launches: a row for each launch, in the order of measurement: columns `case`, `arm` (`baseline` or
            `candidate`), `launch`, `value`, and where they apply `pair`, `stage`, `session`, `metric` (what the values
            are) and `direction` (`higher` or `lower`, whichever values are better); others are not read. A missing
            value is a launch without a figure.
        margin: relative change that matters, 0.01 for 1 %.
        better: whether lower or higher values are better; None: as the columns `metric` and `direction` say, and lower
            without them.
        mode: how to judge; `auto` goes by the columns.
        rule: how pairs are planned and judged: `sequential`, or `fixed`, the rule of version 0.2 and earlier.

    Raises:
        UsageError: a column is missing, a cell cannot be what it should be, directions disagree, or no such margin or
            mode; the sentence names row (from 0) and column.

    >>> import pandas as pd, ssdbench
    >>> times = {"baseline": [1.000, 1.001, 0.999, 1.000], "candidate": [1.100, 1.101, 1.100, 1.099]}
    >>> launches = pd.DataFrame(times).rename_axis("launch").reset_index()
    >>> launches = launches.melt("launch", var_name="arm").assign(case="train")
    >>> ssdbench.judge(launches)[["case", "status", "change"]].round(3)
        case     status  change
    0  train  regressed     0.1
    """
    if better is not None and better not in BETTER:
        raise UsageError(f"better = {better!r} is not known: choose lower or higher")
    if mode != "auto" and mode not in [item.value for item in Mode]:
        raise UsageError(f"mode = {mode!r} is not known: choose auto, {', '.join(item.value for item in Mode)}")
    rows = parse_rows("the DataFrame", "the DataFrame", [str(name) for name in launches.columns], _lines(launches))
    chosen = None if mode == "auto" else Mode(mode)
    asked = None if better is None else BETTER[better]
    judged = judge_rows(rows, settings=Settings(margin=margin, rule=rule), better=asked, mode=chosen)
    return judged_frame(judged.verdicts, judged.directions)


def _lines(launches: pd.DataFrame) -> list[tuple[str, list[str]]]:
    # A missing value of any dtype is an empty cell.
    cells = launches.astype("object").where(launches.notna(), None)
    return [(f"row {number}", [_text(value) for value in row]) for number, row in enumerate(cells.to_numpy())]


def _text(value: object) -> str:
    if value is None:
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)  # repr keeps every bit of a float
