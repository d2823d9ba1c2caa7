"""What a planted fault does to the convergence smoke: which check finds it, by experiment.

    python -m benchmarks.faults --results DIR [--seeds 10] [--only NAME ...] [--docs docs]

Trains the baseline's seeds of the suite convergence-smoke, accepts them, then plants one fault at a time into a copy
of the source, trains a seed with it, and asks the early gate, the final check and the unit tests. Takes the smoke's
time for every seed and fault; what is trained already is not trained again. Writes the table of docs/convergence.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.verdicts.__main__ import replaced

ROOT = Path(__file__).parents[1]
SUITE = "convergence-smoke"
BASELINE = "smoke"
MARGIN = 3.0  # a factor of 4: what one seed of so short a recipe can be cleared of
CANDIDATE_SEED = 101  # the baseline's seeds begin at 1
Verdict = dict[str, Any]
_PATIENCE = ("--timeout", "5400")  # for machines that do other things beside


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A change of one file; `unit_tests` are those that a developer would run on it."""

    name: str
    title: str
    file: str
    old: str
    new: str
    unit_tests: tuple[str, ...]

    def plant(self, tree: Path) -> None:
        """Change the copy of the source; refuses where the source has moved on."""
        path = tree / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise SystemExit(f"fault {self.name}: {self.file} does not have its line once: {self.old!r}")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


FAULTS = (
    Fault(name="none", title="none (another seed)", file="ssdbench/ssd/loss.py", old="SSD", new="SSD", unit_tests=()),
    Fault(
        name="label",
        title="labels off by one",
        file="ssdbench/ssd/pipelines/dali.py",
        old='labels=tensors["labels"].flatten(1).long(),',
        new='labels=(lambda k: (k + (k > 0)).clamp(max=80))(tensors["labels"].flatten(1).long()),',
        unit_tests=("tests/ssd/test_pipelines_truth.py",),
    ),
    Fault(
        name="flip",
        title="boxes not flipped with the image",
        file="ssdbench/ssd/pipelines/dali_graph.py",
        old="    boxes = fn.bb_flip(boxes, ltrb=True, horizontal=flip)\n",
        new="",
        unit_tests=("tests/ssd/test_pipelines_truth.py",),
    ),
    Fault(
        name="rate",
        title="learning rate times 3",
        file="ssdbench/ssd/training.py",
        old="rate = base * world_size",
        new="rate = 3 * base * world_size",
        unit_tests=("tests/ssd/test_training.py",),
    ),
    Fault(
        name="decay",
        title="weight decay on BatchNorm",
        file="ssdbench/ssd/training.py",
        old='(exempt if parameter.dim() <= 1 or name.endswith("bias") else decayed).append(parameter)',
        new="decayed.append(parameter)",
        unit_tests=("tests/ssd/test_training.py",),
    ),
    Fault(
        name="mining",
        title="hard negative mining off",
        file="ssdbench/ssd/loss.py",
        old="rank < NEGATIVES_PER_POSITIVE * count[:, None]",
        new="rank < 8732",
        unit_tests=("tests/ssd/test_loss.py",),
    ),
    Fault(
        name="half",
        title="evaluation on half the images",
        file="ssdbench/workloads/evaluation.py",
        old="for number, batch in enumerate(self._pipeline.epoch()):\n",
        new="for number, batch in enumerate(self._pipeline.epoch()):\n"
        "                if number % 2:\n                    continue\n",
        unit_tests=("tests/workloads/test_evaluation.py",),
    ),
)


def main() -> None:
    """Train, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=[fault.name for fault in FAULTS])
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of convergence.md")
    asked = parser.parse_args()
    results = asked.results.resolve()
    _train_baseline(results, asked.seeds)
    found = []
    for fault in FAULTS:
        if fault.name in asked.only:
            print(f"fault: {fault.title}", flush=True)
            found.append(_examine(fault, results))
    page = asked.docs / "convergence.md"
    page.write_text(replaced(page.read_text(encoding="utf-8"), "faults", table(found)), encoding="utf-8")
    print(f"wrote {page}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was said of one fault: verdicts as `converge check --json` prints them, the first unit test that failed."""

    title: str
    aps: Sequence[float]
    gate: Mapping[int, Verdict]
    final: Verdict
    wide: Verdict
    tests: str


def table(found: Sequence[Found]) -> str:
    """The table of the page: a row for each fault."""
    lines = [
        "| planted fault | AP by evaluation | early gate | final check | final check, margin "
        f"{100 * MARGIN:g} % | loss curves | unit test |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in found:
        fired = [epoch for epoch, verdict in each.gate.items() if verdict["status"] != "inconclusive"]
        cells = (
            each.title,
            ", ".join(f"{ap:.3f}" for ap in each.aps) or "none",
            f"stops it after epoch {fired[0]}" if fired else "does not fire",
            _said(each.final),
            _said(each.wide),
            _losses(each.final),
            f"`{each.tests}`" if each.tests else "none fails",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _said(verdict: Verdict) -> str:
    change = verdict["change"]
    return f"{verdict['status']}, {100 * change:+.0f} %" if change is not None else verdict["status"]


def _losses(verdict: Verdict) -> str:
    found = [finding.split(" is ")[1].split(" than ")[0] for finding in verdict["findings"] if "mean loss" in finding]
    return found[-1] if found else "as the baseline's"


def _train_baseline(results: Path, seeds: int) -> None:
    if (results / "convergence" / f"{BASELINE}.jsonl").exists():
        return
    go_on = ["--resume"] if (results / "records").exists() else ["--suite", SUITE, *_PATIENCE]
    _ssdbench(ROOT, "converge", *go_on, "--seeds", str(seeds), "--results", str(results), check=True)
    accept = ("accept", "latest", "--name", BASELINE, "--reason", "the smoke as it is")
    _ssdbench(ROOT, "converge", *accept, "--results", str(results), check=True)


def _examine(fault: Fault, results: Path) -> Found:
    tree = results / "faulty" / fault.name
    own = results / "faulty" / f"{fault.name}-results"
    if not tree.exists():
        ignore = shutil.ignore_patterns(".venv", ".environments", ".git", "__pycache__", "results", "demo-results")
        shutil.copytree(ROOT, tree, ignore=ignore)
        fault.plant(tree)
    if not (own / "records").exists():
        (own / "convergence").mkdir(parents=True)
        shutil.copy(results / "convergence" / f"{BASELINE}.jsonl", own / "convergence")
        _ssdbench(tree, "converge", "--suite", SUITE, "--seed", str(CANDIDATE_SEED), *_PATIENCE, "--results", str(own))
    aps = _aps(own)
    return Found(
        title=fault.title,
        aps=list(aps.values()),
        gate={epoch: _check(own, "--epoch", str(epoch)) for epoch in list(aps)[:-1]},
        final=_check(own),
        wide=_check(own, "--margin", str(MARGIN)),
        tests=_failing_test(fault, tree),
    )


def _failing_test(fault: Fault, tree: Path) -> str:
    """Name of the first unit test that fails on the faulty source; empty where none does."""
    if not fault.unit_tests:
        return ""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *fault.unit_tests]
    done = subprocess.run(command, cwd=tree, env=_environment(tree), capture_output=True, text=True, check=False)
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    return failed[0].removeprefix("FAILED ").split(" - ")[0].split("::")[-1] if failed else ""


def _aps(results: Path) -> dict[int, float]:
    """Epoch -> AP of the one training there."""
    (log,) = results.glob("training/*/*/training.json")
    epochs = json.loads(log.read_text(encoding="utf-8"))["results"]
    return {epoch["epoch"]: epoch["evaluation"]["ap"] for epoch in epochs if epoch["evaluation"] is not None}


def _check(results: Path, *options: str) -> Verdict:
    asked = ("check", "latest", "--baseline", BASELINE, "--json", *options, "--results", str(results))
    done = _ssdbench(ROOT, "converge", *asked)
    try:
        verdict: Verdict = json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"{' '.join(asked)}: {done.stderr.strip()}") from None
    return verdict


def _ssdbench(tree: Path, *arguments: str, check: bool = False) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "ssdbench", *arguments]
    piped = arguments[1] == "check"
    return subprocess.run(
        command, cwd=tree, env=_environment(tree), capture_output=piped, text=True, check=check
    )  # training shows its own progress


def _environment(tree: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(tree)}


if __name__ == "__main__":
    main()
