"""The stage `explain`: profiles this tree and copies of it with a planted cause in turns, and has each explained.

Planted are a lost memory layout, and cuDNN's search for its fastest kernels switched off, so that other kernels run.
"""

import json
import shutil
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from benchmarks.gpu.check import TREE, Check, Stage
from benchmarks.gpu.subjects import case_of
from ssdbench.analysis.profiles.explaining import explain
from ssdbench.analysis.profiles.merging import Taken, merge
from ssdbench.harness.cache import temporary_cache, work_folder
from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.harness.profiled_launches import Profiling, take_profile
from ssdbench.report import explanations
from ssdbench.schema.case import Case, ProfileRequest, Protocol
from ssdbench.schema.explanation import Explanation
from ssdbench.schema.profile import LaunchProfile
from ssdbench.schema.record import RunOptions
from ssdbench.schema.times import utc_now

SECONDS = 150
LAUNCHES = (2, 3)
"""Of each build: the fewest, and the most if there is time."""
_UNCHANGED = "unchanged"
_SEARCH = "torch.backends.cudnn.benchmark = {}"
_CHANGES = {
    "layout": ("workloads/model.py", "memory_format=layout", "memory_format=torch.contiguous_format"),
    "search": ("runtime/device.py", _SEARCH.format(True), _SEARCH.format(False)),
}
"""File, text, and what stands in its place."""
_IMAGES = ("ssd/pipelines/resident.py", "options.channels_last else", "False else")


def explained(check: Check, launches: tuple[int, int] = LAUNCHES) -> None:
    """Explain each planted cause against the unchanged tree, whose launches serve both."""
    trees = {_UNCHANGED: TREE} | {name: _plant(check, name) for name in _CHANGES}
    workload = "infer"  # its search for kernels is the shortest, so a launch is short
    protocol = Protocol(warmup_steps=check.pick(20, 1), steps=2, launches=2, timeout_seconds=200)
    case = case_of(check, workload, 64, protocol=protocol)
    with temporary_cache(check.work / "cache"):
        taken = _launches(check, case, trees, launches)
    for name in _CHANGES:
        _tell(check, case, name, taken)


def _plant(check: Check, name: str) -> Path:
    tree = check.work / f"explain-{name}"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(TREE / "ssdbench", tree / "ssdbench", ignore=shutil.ignore_patterns("__pycache__"))
    for place, before, after in (_CHANGES[name], *([_IMAGES] if name == "layout" else [])):
        file = tree / "ssdbench" / place
        text = file.read_text(encoding="utf-8")
        if text.count(before) != 1:
            raise RuntimeError(f"{place} no longer has one {before!r}: plant the cause elsewhere")
        file.write_text(text.replace(before, after), encoding="utf-8")
    return tree


def _launches(
    check: Check, case: Case, trees: Mapping[str, Path], counts: tuple[int, int]
) -> dict[str, list[LaunchProfile]]:
    """Rounds of one launch of each build, in turns; the traces of the first round are kept."""
    found: dict[str, list[LaunchProfile]] = {name: [] for name in trees}
    fewest, most = counts
    limit, longest = time.monotonic() + min(SECONDS, check.left()), 0.0
    for number in range(most):
        if number >= fewest and time.monotonic() + longest > limit:
            break
        begin = time.monotonic()
        for name in trees if number % 2 == 0 else reversed(list(trees)):
            request = ProfileRequest(steps=check.pick(24, 4), largest_trace_bytes=2**23 if number == 0 else 0)
            profiling = Profiling(run_id="explain", seed=1, options=RunOptions(), data=None, request=request)
            at = time.monotonic()
            profile, folder = take_profile(profiling, LocalLauncher(sys.executable, trees[name]), case, name, number)
            found[name].append(profile)
            plain = 1e3 * statistics.median(profile.plain_step_seconds)
            check.say(f"  {name} {number}: {time.monotonic() - at:.0f} s, a step {plain:.3f} ms")
            for trace in (trace for trace in profile.traces if trace.kept):
                shutil.copyfile(work_folder() / folder / trace.name, check.out / f"explain-{name}-{trace.name}")
        longest = max(longest, time.monotonic() - begin)
    return found


def _tell(check: Check, case: Case, name: str, taken: Mapping[str, list[LaunchProfile]]) -> None:
    launches = []
    for baseline, candidate in zip(taken[_UNCHANGED], taken[name], strict=True):
        launches.append(Taken(arm="baseline", profile=baseline, folder=_UNCHANGED))
        launches.append(Taken(arm="candidate", profile=candidate, folder=name))
    profile = merge(
        "explain", case, launches, builds={"baseline": _UNCHANGED, "candidate": name}, profiled_at=utc_now()
    )
    found = explain(profile, None)
    (check.out / f"explain-{name}.json").write_text(json.dumps(asdict(found), indent=1), encoding="utf-8")
    (check.out / f"explain-{name}-profile.json").write_text(json.dumps(asdict(profile)), encoding="utf-8")
    for line in _lines(found):
        check.say(f"  {line}")
    check.row(
        f"explain, {name}",
        plain_ms=1e3 * found.plain.seconds,
        profiled_ms=1e3 * found.profiled.seconds,
        launches=found.launches[0],
        profiler_overhead=found.profiled.baseline / found.plain.baseline - 1,
        detectable_ms=[1e3 * seconds for seconds in found.detectable_seconds],
        causes=[[cause.what, 1e3 * cause.change.seconds] for cause in found.causes],
        refusal=found.refusal,
    )
    if check.cuda and not found.causes:  # the trial on a CPU has too few steps to find anything
        check.fault(f"explain, {name}: nothing was named: {explanations.answer(found)}")
    elif check.cuda and name == "layout" and found.causes[0].kind != "layout":
        check.fault(f"explain, {name}: first is {found.causes[0].what!r}")


def _lines(found: Explanation) -> list[str]:
    lines = [explanations.answer(found), *explanations.facts(found)]
    for cause in explanations.causes(found):
        lines += [f"{cause.what}: {cause.seconds}", *(f"- {detail}" for detail in cause.details)]
    return [*lines, *(" | ".join(row) for row in explanations.parts(found))]


STAGES = (
    Stage(
        name="explain",
        run=explained,
        seconds=SECONDS,
        settles="whether a profile names a lost memory layout, and kernels that became others, with their size",
    ),
)
