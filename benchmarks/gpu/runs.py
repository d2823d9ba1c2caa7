"""Stages that start other processes: the tests marked `gpu`, `ssdbench run`, and pairs of two source trees."""

import json
import math
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.gpu.check import TREE, Check, Stage
from ssdbench.errors import ExitCode

TESTS_LIMIT_SECONDS = 240.0
HARNESS_LIMIT_SECONDS = 120.0
PLANTED_SECONDS = 5e-4
_CYCLES_PER_SECOND = 1.7e9  # of an H100 at work; torch.cuda._sleep counts cycles


def tests(check: Check) -> None:
    """The tests marked `gpu`, from those files alone that have any: a bare machine cannot import all the others."""
    marked = sorted(
        path.relative_to(TREE).as_posix()
        for path in (TREE / "tests").rglob("test_*.py")
        if "mark.gpu" in path.read_text(encoding="utf-8")
    )
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-rA", "--no-header", "-p", "no:cacheprovider"]
    log = check.out / "tests.log"
    limit = min(TESTS_LIMIT_SECONDS, check.left())
    with log.open("w", encoding="utf-8") as file:
        try:
            code = subprocess.run([*command, *marked], cwd=TREE, stdout=file, stderr=file, timeout=limit).returncode
        except subprocess.TimeoutExpired:
            code = None
            check.fault(f"the tests marked gpu were not done in {limit:.0f} s: see tests.log")
    lines = log.read_text(encoding="utf-8").splitlines()
    counts = {
        word.lower(): sum(line.startswith(f"{word} ") for line in lines)
        for word in ("PASSED", "FAILED", "ERROR", "SKIPPED")
    }
    check.row("tests marked gpu", files=len(marked), exit_code=code, **counts)
    for line in lines:
        if line.startswith(("FAILED ", "ERROR ")):
            check.fault(line)


def harness(check: Check) -> None:
    """`ssdbench run`: one launch of training at batch 128 and one of detection at 64."""
    protocol = check.pick("warmup_steps = 20, steps = 60", "warmup_steps = 1, steps = 2")
    results = check.work / "results-harness"
    cases = [_matrix(check, "train", 128), _matrix(check, "detect", 64)]
    suite = _suite(check, "harness", cases, f"{protocol}, launches = 1, timeout_seconds = 120")
    limit = min(HARNESS_LIMIT_SECONDS, check.left())
    done = _ssdbench(check, TREE, "run", str(suite), "--results", str(results), limit_seconds=limit)
    (check.out / "harness.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode:
        check.fault(f"ssdbench run ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    for record in _records(results, keep=check.out / "harness-records.jsonl"):
        _tell(check, record)


def _tell(check: Check, record: dict[str, Any]) -> None:
    case, measured = record["case"], record["measurement"]
    name = f"ssdbench run {case['workload']} {case['precision']} b{case['batch_size_per_gpu']}"
    if measured is None:
        return check.fault(f"{name}: {record['failure']['kind']}: {record['failure']['message']}")
    timed = measured["step_seconds"][measured["warmup_steps"] :]
    quarter = max(1, len(timed) // 4)
    looks = [sum(0 <= at <= measured["wall_seconds"] for at in gpu["seconds"]) for gpu in measured["gpus"]]
    check.row(
        name,
        images_per_second=measured["images"] / measured["wall_seconds"],
        step_ms=1e3 * statistics.median(timed),
        launch_seconds=record["launch_seconds"],
        region_seconds=measured["wall_seconds"],
        first_over_last_quarter=statistics.median(timed[:quarter]) / statistics.median(timed[-quarter:]),
        peak_memory_gib=round(max(measured["peak_memory_bytes"]) / 2**30, 2),
        nvml_looks_in_region=looks,
        foreign_cpu_cores=measured["foreign_cpu_cores"],
        invalid=record["invalid_reason"],
        phases_ms={phase["name"]: round(1e3 * statistics.median(phase["seconds"]), 2) for phase in measured["phases"]},
    )
    if record["invalid_reason"]:
        check.fault(f"{name}: invalid: {record['invalid_reason']}")
    return None


def roofline(check: Check) -> None:
    """`ssdbench roofline --measure`, and the run of the stage `harness` beside it where there is one."""
    results = check.work / "results-harness"
    grid = [
        "--workload",
        "train,infer",
        "--backbone",
        check.pick("resnet50", "resnet18"),
        "--device",
        check.device.kind,
    ]
    grid += ["--batch-size", check.pick("64", "2"), "--precision", check.pick("amp", "fp32"), "--results", str(results)]
    words = ["latest", "--results", str(results)] if (results / "records").exists() else grid
    done = _ssdbench(check, TREE, "roofline", *words, "--measure", "--json")
    if done.returncode:
        return check.fault(f"ssdbench roofline ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    found = json.loads(done.stdout)
    check.facts["roofline"] = found
    for case in found["cases"]:
        name = f"roofline {case['case']['workload']} {case['case']['precision']} b{case['case']['batch_size_per_gpu']}"
        keys = ("predicted_step_seconds", "measured_step_seconds", "share_of_roofline", "share_of_matmul_ceiling")
        check.row(name, **{key: case[key] for key in keys}, bound=case["bound"])
    return None


def planted(check: Check) -> None:
    """Pairs of this tree and one with 0.5 ms more in every forward pass: it must be called a regression."""
    tree = check.work / "planted"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(TREE / "ssdbench", tree / "ssdbench", ignore=shutil.ignore_patterns("__pycache__"))
    file = tree / "ssdbench" / "workloads" / "infer.py"
    text, end = file.read_text(encoding="utf-8"), "        return Step(images=batch.images.shape[0])\n"
    if text.count(end) != 1:
        raise RuntimeError(f"{file.name} no longer ends a step in one {end.strip()!r}: plant the delay elsewhere")
    on_gpu = f"torch.cuda._sleep({int(PLANTED_SECONDS * _CYCLES_PER_SECOND)})"
    delay = check.pick(on_gpu, "__import__('time').sleep(2.0)")
    file.write_text(text.replace(end, f"        {delay}\n{end}"), encoding="utf-8")
    _decide(check, "planted", tree, expected=ExitCode.REGRESSED)


def same(check: Check) -> None:
    """Pairs of this tree and itself: nothing must be found."""
    _decide(check, "same", TREE, expected=ExitCode.OK)


def _decide(check: Check, name: str, candidate: Path, expected: ExitCode) -> None:
    matrix = _matrix(check, "infer", 64)  # its search for kernels is the shortest, so a launch is short
    steps = check.pick("warmup_steps = 20, steps = 120", "warmup_steps = 1, steps = 2")
    margin = check.pick(0.01, 0.3)
    pairs = check.pick((3, 5, 7), (2, 2, 2))  # the ranks of fresh launches need five pairs to be evidence
    verdict = "[verdict]\nmargin = {}\npilot_pairs = {}\npair_cap = {}\nconfirm_pair_cap = {}\n".format(margin, *pairs)
    suite = _suite(check, name, [matrix], f"{steps}, launches = 1, timeout_seconds = 120", verdict)
    results = check.work / f"results-{name}"
    budget = max(30, int(check.left() - 50))  # a pair that has begun by then is measured to its end, and judged
    done = _ssdbench(
        check, candidate, *("run", str(suite), "--decide", "--baseline-checkout", str(TREE)),
        *("--budget", f"{budget}s", "--results", str(results)),
    )  # fmt: skip
    (check.out / f"{name}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    arms: dict[str, list[float]] = {"candidate": [], "baseline": []}
    for record in _records(results, keep=check.out / f"{name}-records.jsonl"):
        if (measured := record["measurement"]) is not None:
            arms[record["arm"]].append(measured["images"] / measured["wall_seconds"])
    whole = all(arms.values())
    ratio = statistics.median(arms["candidate"]) / statistics.median(arms["baseline"]) if whole else math.nan
    check.row(
        f"pairs, {name}",
        ratio=ratio,
        expected_exit_code=int(expected),
        exit_code=done.returncode,
        images_per_second={arm: [round(rate, 1) for rate in rates] for arm, rates in arms.items()},
        spread={arm: (max(rates) - min(rates)) / statistics.median(rates) for arm, rates in arms.items() if rates},
    )
    if not whole:
        check.fault(f"pairs, {name}: not both arms were measured: {done.stderr.strip()[-300:]}")
    elif check.cuda and done.returncode != expected:  # the trial on a CPU has too few pairs for a verdict
        check.fault(f"pairs, {name}: exit code {done.returncode} and not {expected}: see {name}.log")


def _matrix(check: Check, workload: str, batch_size: int, backbone: str = "resnet50") -> str:
    return (
        f'[[matrix]]\nworkload = "{workload}"\nbackbone = "{check.pick(backbone, "resnet18")}"\n'
        f'precision = "{check.pick("amp", "fp32")}"\nbatch_size_per_gpu = {check.pick(batch_size, 2)}\n'
        f'pipeline = "resident"\nthreads_per_rank = {check.pick(8, 1)}\n'
    )


def _suite(check: Check, name: str, matrices: list[str], protocol: str, verdict: str = "") -> Path:
    path = check.work / f"{name}.toml"
    head = f'name = "{name}"\ndevice = "{check.device.kind}"\nforeign_cpu_limit_cores = 64.0\n'
    path.write_text(f"{head}protocol = {{ {protocol} }}\n{verdict}" + "".join(matrices), encoding="utf-8")
    return path


def _ssdbench(
    check: Check, tree: Path, *words: str, limit_seconds: float | None = None
) -> "subprocess.CompletedProcess[str]":
    """`ssdbench` of a source tree; it is given no more time than is left, or than the limit."""
    path = os.pathsep.join([str(tree), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "SSDBENCH_CACHE": str(check.work / "cache")}
    command = [sys.executable, "-m", "ssdbench", *words]
    limit = max(20.0, check.left() if limit_seconds is None else limit_seconds)
    with subprocess.Popen(
        command, cwd=check.work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            out, error = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.terminate()  # it ends its launches in good order and keeps what it has measured
            out, error = process.communicate()
            check.fault(f"ssdbench {words[0]} was not done in {limit:.0f} s")
    return subprocess.CompletedProcess(command, process.returncode, out, error)


def _records(results: Path, keep: Path) -> list[dict[str, Any]]:
    """The records of a results folder, which goes away with the check: they are kept in one file beside its log."""
    lines = [line for path in sorted(results.glob("records/*.jsonl")) for line in path.read_text().splitlines()]
    keep.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return [record for record in map(json.loads, lines) if "case" in record]


STAGES = (
    Stage(name="tests", run=tests, seconds=110, settles="whether the tests marked gpu pass on a GPU"),
    Stage(
        name="harness",
        run=harness,
        seconds=65,
        settles="whether a run measures on a GPU: launches, NVML samples, foreign CPU, phases, its rate beside ours",
    ),
    Stage(
        name="roofline",
        run=roofline,
        seconds=40,
        settles="what share of its roofline a run reaches, under ceilings measured beside it",
    ),
    Stage(
        name="planted",
        run=planted,
        seconds=350,
        settles="whether --decide sees 0.5 ms more (3 %) in a forward pass of ResNet-50 at batch 64",
    ),
    Stage(name="same", run=same, seconds=155, settles="what two launches of one tree differ by: the noise of a GPU"),
)
