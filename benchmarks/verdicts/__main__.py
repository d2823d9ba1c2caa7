"""Simulate runs, score the rules, and write the tables and the plot of docs/verdicts.md.

python -m benchmarks.verdicts [--only TABLE] [--scale 1.0] [--processes N] [--docs docs]
"""

import argparse
import os
import re
import sys
import time
from pathlib import Path

from benchmarks.verdicts.effort import Effort
from benchmarks.verdicts.plot import answers_by_noise, draw, power_curves
from benchmarks.verdicts.tables import TABLES

PAGE, PLOT = "verdicts.md", "verdicts.svg"


def main() -> None:
    """Everything, in some minutes; `--scale 0.05` for a glance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[*TABLES, "plot"], help="one table, which is printed as well, or the plot")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies all numbers of runs")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="as many as cores unless given")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of verdicts.md and verdicts.svg")
    asked = parser.parse_args()
    page, plot = asked.docs / PAGE, asked.docs / PLOT
    begin = time.monotonic()

    def progress(what: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {what}", file=sys.stderr, flush=True)

    effort = Effort(progress=progress, scale=asked.scale, processes=asked.processes)
    for name in [name for name in TABLES if asked.only in (None, name)]:
        table = TABLES[name](effort)
        if asked.only:
            print(table)
        # Each by itself: an interruption loses one table, and the text of the page can be edited meanwhile.
        page.write_text(replaced(page.read_text(encoding="utf-8"), name, table), encoding="utf-8")
    if asked.only in (None, "plot"):
        draw(power_curves(effort), answers_by_noise(effort), plot)
    print(f"wrote {plot if asked.only == 'plot' else page}{'' if asked.only else f' and {plot}'}", file=sys.stderr)


def replaced(text: str, name: str, table: str) -> str:
    """`text` with the content between the marks of this table replaced."""
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    if not marked.search(text):
        raise SystemExit(f"the page has no marks <!-- {name} --> and <!-- end of {name} -->")
    return marked.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)


if __name__ == "__main__":
    main()
