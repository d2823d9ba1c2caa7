"""One check on a bare GPU machine: what works, what waits, how fast, and how far from the card's limits.

    python -m benchmarks.gpu [--only short] [--deadline 290] [--out FOLDER]      on a machine with a GPU
    python -m benchmarks.gpu --cpu                                               the same code, tried on a CPU

Stages run in the order in which they are named; one that no longer fits the deadline is left out, and said so. After
each, the results so far are written to OUT/gpu-check.json; a table is printed last.
"""

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.gpu import explained, feeding, machine, runs, speed
from benchmarks.gpu.check import Check, Stage, StageResult, open_check

MODULES = (machine, speed, feeding, runs, explained)
STAGES: dict[str, Stage] = {stage.name: stage for module in MODULES for stage in module.STAGES}
SETS = {
    "all": (
        "facts", "nvml", "tests", "ceilings", "precisions", "train", "infer", "harness",
        "compiled", "graph", "kernels", "detect", "beside_plain", "roofline", "same", "planted", "explain",
        "waits", "pipelines", "small", "train_bf16", "train_slow",
    ),
    "short": (
        "facts", "ceilings", "nvml", "tests", "harness", "compiled", "graph", "detect", "beside_plain",
        "same", "planted",
    ),
    "cheap": ("facts", "ceilings", "precisions", "detect"),
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages asked for; 1 where any of them failed or found a fault."""
    asked = _parser().parse_args(arguments)
    if asked.list:
        print(table())
        return 0
    names = _names(asked.only)
    if not asked.cpu and not torch.cuda.is_available():
        sys.exit("torch finds no GPU here: run with --cpu to try the check itself")
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as work:
        check = open_check(on_cpu=asked.cpu, out=asked.out, work=Path(work), deadline_seconds=asked.deadline)
        for name in names:
            check.stages[name] = _result(check, STAGES[name])
            check.save()
    _print(check)
    return int(bool(check.faults))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cpu", action="store_true", help="try the code on a CPU, with small sizes")
    parser.add_argument("--only", default="all", help=f"stages by commas, or a set: {', '.join(SETS)}")
    parser.add_argument("--deadline", type=float, default=600.0, help="seconds for everything")
    parser.add_argument("--out", type=Path, default=Path("gpu-check"), help="folder of results and logs")
    parser.add_argument("--list", action="store_true", help="print the stages as a Markdown table")
    return parser


def table() -> str:
    """The stages in the order of the set `all`, as benchmarks/gpu/README.md has them."""
    rows = [
        f"| {name}{' *' if name in SETS['short'] else ''} | {STAGES[name].seconds:.0f} s | {STAGES[name].settles} |"
        for name in SETS["all"]
    ]
    return "\n".join(["| stage (* in `short`) | on an H100 | settles |", "|---|--:|---|", *rows])


def _names(text: str) -> list[str]:
    names = [name for word in text.split(",") if word for name in SETS.get(word, (word,))]
    if unknown := [name for name in names if name not in STAGES]:
        sys.exit(f"no such stage: {', '.join(unknown)}; there are {', '.join(STAGES)} and the sets {', '.join(SETS)}")
    return names


def _result(check: Check, stage: Stage) -> StageResult:
    result = StageResult(settles=stage.settles, outcome="left out", estimated_seconds=stage.seconds)
    if not check.cuda and not stage.on_cpu:
        result.reason = "needs a GPU"
    elif check.left() < stage.seconds:
        result.reason = f"{check.left():.0f} s are left"
    if result.reason is not None:
        check.say(f"{stage.name}: left out, {result.reason}")
        return result
    check.say(f"{stage.name}: {stage.settles}")
    begin, faults = time.monotonic(), len(check.faults)
    try:
        with check.released():
            stage.run(check)
        result.outcome = "done" if len(check.faults) == faults else "found faults"
    except Exception as error:  # a stage that fails is a finding; the others continue
        traceback.print_exc()
        result.outcome, result.reason = "failed", f"{type(error).__name__}: {str(error)[:300]}"
        check.fault(f"{stage.name}: {result.reason}")
    result.seconds = round(time.monotonic() - begin, 1)
    return result


def _print(check: Check) -> None:
    print("=" * 100)
    for name, result in check.stages.items():
        took = f"{result.seconds:.0f} s" if result.seconds is not None else "-"
        print(
            f"{name:12} {result.outcome:13} {took:>6}  {result.settles}{f' ({result.reason})' if result.reason else ''}"
        )
    for row in check.rows:
        figures = {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
        print(f"{figures.pop('name'):44} {json.dumps(figures, default=str)[:300]}")
    print("faults:", *(check.faults or ["none"]), sep="\n  ")
    print(f"results: {check.save()}")


if __name__ == "__main__":
    sys.exit(main())
