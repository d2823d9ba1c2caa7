"""Simulate runs, score the rules, and write the tables and the plot of docs/verdicts.md.

python -m benchmarks.verdicts [--scale 1.0] [--docs docs]
"""

import argparse
import re
import sys
import time
from pathlib import Path

from benchmarks.verdicts.plot import answers_by_noise, draw, power_curves
from benchmarks.verdicts.tables import detectable_table, peer_table, rule_table

PAGE, PLOT = "verdicts.md", "verdicts.svg"


def main() -> None:
    """Everything, in some minutes; `--scale 0.05` for a glance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies all numbers of runs")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of verdicts.md and verdicts.svg")
    asked = parser.parse_args()
    page = asked.docs / PAGE
    begin = time.monotonic()

    def progress(what: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {what}", file=sys.stderr, flush=True)

    text = page.read_text(encoding="utf-8")
    for name, table in (("rule", rule_table), ("peers", peer_table), ("detectable", detectable_table)):
        text = replaced(text, name, table(asked.scale, progress))
    page.write_text(text, encoding="utf-8")
    draw(power_curves(asked.scale, progress), answers_by_noise(asked.scale, progress), asked.docs / PLOT)
    print(f"wrote {page} and {asked.docs / PLOT}")


def replaced(text: str, name: str, table: str) -> str:
    """`text` with the content between the marks of this table replaced."""
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    if not marked.search(text):
        raise SystemExit(f"the page has no marks <!-- {name} --> and <!-- end of {name} -->")
    return marked.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)


if __name__ == "__main__":
    main()
