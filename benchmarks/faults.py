"""What a planted fault does to the convergence smoke: which check finds it, by experiment.

    python -m benchmarks.faults --results DIR [--seeds 10] [--only NAME ...]

Trains the baseline's seeds of the suite convergence-smoke, accepts them, then plants one fault at a time into a copy
of the source, trains a seed with it, and asks the early gate and the final check. Takes the smoke's time for every seed
and fault; what is trained already is not trained again. Prints what each check said as JSON, and keeps it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SUITE = "convergence-smoke"
BASELINE = "smoke"
CANDIDATE_SEED = 101  # the baseline's seeds begin at 1


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
        unit_tests=("tests/ssd/test_pipelines_dali.py",),
    ),
    Fault(
        name="flip",
        title="boxes not flipped with the image",
        file="ssdbench/ssd/pipelines/dali.py",
        old="    boxes = fn.bb_flip(boxes, ltrb=True, horizontal=flip)\n",
        new="",
        unit_tests=("tests/ssd/test_pipelines_dali.py",),
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=[fault.name for fault in FAULTS])
    options = parser.parse_args()
    results = options.results.resolve()
    _train_baseline(results, options.seeds)
    kept = results / "faults.json"
    for fault in FAULTS:
        if fault.name in options.only:
            found = _examine(fault, results)
            print(json.dumps(found, indent=2), flush=True)
            known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
            kept.write_text(json.dumps(known | {fault.name: found}, indent=2), encoding="utf-8")


def _train_baseline(results: Path, seeds: int) -> None:
    if (results / "convergence" / f"{BASELINE}.jsonl").exists():
        return
    go_on = ["--resume"] if (results / "records").exists() else ["--suite", SUITE]
    _ssdbench(ROOT, "converge", *go_on, "--seeds", str(seeds), "--results", str(results), check=True)
    accept = ("accept", "latest", "--name", BASELINE, "--reason", "the smoke as it is")
    _ssdbench(ROOT, "converge", *accept, "--results", str(results), check=True)


def _examine(fault: Fault, results: Path) -> dict[str, Any]:
    tree = results / "faulty" / fault.name
    own = results / "faulty" / f"{fault.name}-results"
    if not tree.exists():
        ignore = shutil.ignore_patterns(".venv", ".environments", ".git", "__pycache__", "results", "demo-results")
        shutil.copytree(ROOT, tree, ignore=ignore)
        fault.plant(tree)
    if not (own / "records").exists():
        (own / "convergence").mkdir(parents=True)
        shutil.copy(results / "convergence" / f"{BASELINE}.jsonl", own / "convergence")
        _ssdbench(tree, "converge", "--suite", SUITE, "--seed", str(CANDIDATE_SEED), "--results", str(own))
    final = _check(own)
    early = {str(epoch): _check(own, "--epoch", str(epoch)) for epoch in _evaluated(own)}
    tests = "passed"
    if fault.unit_tests:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *fault.unit_tests]
        done = subprocess.run(command, cwd=tree, env=_environment(tree), capture_output=True, text=True, check=False)
        failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
        tests = failed[0].removeprefix("FAILED ").split(" - ")[0] if failed else "passed"
    return {"title": fault.title, "final": final, "early": early, "tests": tests}


def _evaluated(results: Path) -> Sequence[int]:
    for log in results.glob("training/*/*/training.json"):
        return [r["epoch"] for r in json.loads(log.read_text())["results"] if r["evaluation"] is not None]
    return []


def _check(results: Path, *options: str) -> Any:
    done = _ssdbench(
        ROOT, "converge", "check", "latest", "--baseline", BASELINE, "--json", *options, "--results", str(results)
    )
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"exit_code": done.returncode, "said": (done.stderr or done.stdout).strip()}


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
