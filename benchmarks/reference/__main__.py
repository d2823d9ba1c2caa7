"""Measure ratios of CPU time and write the table of docs/performance.md.

python -m benchmarks.reference [--rounds 30] [--docs docs]
"""

import argparse
import re
import sys
from pathlib import Path

import torch
import torchvision

from benchmarks.reference.inputs import Comparison, comparisons
from benchmarks.reference.ratios import Ratio, interleaved
from benchmarks.verdicts.__main__ import replaced

PAGE, TABLE = "performance.md", "cpu ratios"


def main() -> None:
    """All comparisons, some minutes; `--rounds 6` for a glance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="rounds of ours, other, other, ours; 6 at least")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help=f"folder of {PAGE}")
    asked = parser.parse_args()
    if asked.rounds < 6:
        parser.error("--rounds: an interval of the median takes 6 rounds at least")
    page = asked.docs / PAGE
    torch.set_num_threads(1)  # more threads wait for each other by spinning, which counts as CPU time

    rows = []
    for work in comparisons():
        rows.append(_row(work, asked.rounds))
        print(rows[-1], file=sys.stderr, flush=True)
    table = "\n".join(
        [_conditions(asked.rounds), "", "| | ours | textbook | torchvision |", "|---|--:|--:|--:|", *rows]
    )
    page.write_text(replaced(page.read_text(encoding="utf-8"), TABLE, table), encoding="utf-8")
    print(f"wrote {page}")


def _row(work: Comparison, rounds: int) -> str:
    """Ours beside itself shows what the method is worth."""
    others = (work.ours, work.textbook, work.torchvision)
    return (
        f"| {work.name} | " + " | ".join(_told(interleaved(work.ours, form, rounds=rounds)) for form in others) + " |"
    )


def _told(ratio: Ratio) -> str:
    return f"{ratio.median:.2f} ({ratio.low:.2f}..{ratio.high:.2f})"


def _conditions(rounds: int) -> str:
    return (
        f"{_processor()}, one thread, torch {torch.__version__}, torchvision {torchvision.__version__}, "
        f"{torch.backends.cpu.get_cpu_capability()}; median of {rounds} rounds with its 95 % interval."
    )


def _processor() -> str:
    """The model as Linux tells it."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].replace("(R)", "") if found else "unknown processor"


if __name__ == "__main__":
    main()
