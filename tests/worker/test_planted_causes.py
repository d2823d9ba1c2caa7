"""Real profiles of a tree and of copies with a planted cause: it is named first, with its sign and its size.

Every plant takes its own time in the very launches that are profiled, so that the truth is known whatever else the
machine does: CPU time where it computes, as profiles leave out what a thread waited for a CPU. Of a lost memory layout,
which is no code of its own, both trees take the CPU time of the whole model, in the very steps that are profiled.
"""

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import pytest

from ssdbench.analysis.profiles.explaining import explain
from ssdbench.analysis.profiles.merging import Taken, merge
from ssdbench.harness.cache import temporary_cache
from ssdbench.harness.gpu_group import Launcher
from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.harness.process import SOURCE
from ssdbench.harness.profiled_launches import Profiling, profile_in_turns
from ssdbench.schema.case import Case, ProfileRequest, Protocol
from ssdbench.schema.explanation import Explanation
from ssdbench.schema.record import Arm, RunOptions

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

Edit = tuple[str, str, str]
"""A file, a text in it, and what takes its place."""
LAUNCHES, STEPS = 3, 6
TIMED = """
import contextlib as _contextlib, os as _os, time as _time, torch as _torch
@_contextlib.contextmanager
def _timed(clock, profiled=False):
    begin = clock()
    yield
    if not profiled or _torch._C._autograd._profiler_enabled():
        with open({truth!r}, "a") as file:
            file.write(f"{{_os.getpid()}} {{clock() - begin}}\\n")
"""


@dataclass(frozen=True, slots=True)
class Plant:
    """`text` of a file gets `planted` before it, or in place of it, and the first cause is to have `words`."""

    file: str
    text: str
    planted: str
    words: str
    workload: str = "train"
    ranks: int = 1
    kind: str = "step"

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What is replaced: also where the images are laid out, if that is planted."""
        return ((self.file, self.text, self.planted), *([IMAGES] if self.kind == "layout" else []))


PLANTS = {
    "sort": Plant(
        "ssd/loss.py",
        "        rank = torch.arange(",
        "        with _timed(_time.thread_time):\n"
        "            for _ in range(12): class_loss.detach().sort(dim=1)\n        rank = torch.arange(",
        "loss: aten::sort called 13 times a step instead of 1",
    ),
    "optimiser": Plant(
        "ssd/training.py",
        "        if self.scaler is None:\n            self.optimizer.step()",
        "        with _timed(_time.thread_time):\n"
        "            for _ in range(3): [p.grad.mul_(1.0) for g in self.optimizer.param_groups for p in g['params']]\n"
        "        if self.scaler is None:\n            self.optimizer.step()",
        "optimizer: aten::mul_ called",
    ),
    "input": Plant(
        "workloads/workload.py",
        "        return next(self._batches)",
        "        with _timed(_time.perf_counter):\n            _time.sleep(0.08)\n        return next(self._batches)",
        "waiting for input is longer",
        "infer",
    ),
    "copy": Plant(
        "workloads/infer.py",
        "        forward = self._graph or",
        "        with _timed(_time.thread_time):\n"
        "            for _ in range(12): batch.images.clone()\n        forward = self._graph or",
        "forward: aten::clone (copies and layout conversions) appeared, 12 times a step",
        "infer",
    ),
    "layout": Plant(
        "workloads/model.py",
        "memory_format=layout",
        "memory_format=torch.contiguous_format",
        "memory layout: convolutions read contiguous tensors, in the baseline channels_last ones",
        "infer",
        kind="layout",
    ),
    "rank": Plant(
        "ssd/training.py",
        '        on_phase("forward")',
        "        if __import__('os').environ['RANK'] == '1':\n"
        "            with _timed(_time.perf_counter):\n                _time.sleep(0.25)\n"
        '        on_phase("forward")',
        "rank 1 works longer than the median rank in forward (the host, between operators)",
        ranks=2,
        kind="rank",
    ),
}
IMAGES: Edit = ("ssd/pipelines/resident.py", "options.channels_last else", "False else")
MODEL: Edit = (
    "workloads/infer.py",
    "            output: Output = self._model(images)",
    "            with _timed(_time.thread_time, profiled=True):\n                output: Output = self._model(images)",
)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[None]:
    with temporary_cache(tmp_path / "cache"):
        yield


def planted(folder: Path, *edits: Edit) -> Path:
    """Copy the source with these texts of files replaced; returns the file to which it writes its times."""
    shutil.copytree(SOURCE / "ssdbench", folder / "ssdbench", ignore=shutil.ignore_patterns("__pycache__"))
    truth = folder / "truth"
    for name, text, new in edits:
        file = folder / "ssdbench" / name
        source = file.read_text(encoding="utf-8")
        assert source.count(text) == 1, f"{name}: plant it elsewhere"
        file.write_text(source.replace(text, new) + TIMED.format(truth=str(truth)), encoding="utf-8")
    return truth


def middle(values: Sequence[float]) -> float:
    """The mean over the middle half, as profiles take it."""
    return fmean(sorted(values)[len(values) // 4 : len(values) - len(values) // 4])


def times_of(truth: Path) -> dict[str, list[float]]:
    """The times by the launch that wrote them."""
    found: dict[str, list[float]] = {}
    for line in truth.read_text().splitlines():
        launch, seconds = line.split()
        found.setdefault(launch, []).append(float(seconds))
    return found


def explained(candidate: Path, workload: str, *, ranks: int = 1, baseline: Path = SOURCE) -> Explanation:
    case = Case(
        workload=workload, device="cpu", world_size=ranks, batch_size_per_gpu=2, precision="fp32", backbone="resnet18",
        pipeline="resident", protocol=Protocol(warmup_steps=1, steps=2, launches=2),
    )  # fmt: skip
    profiling = Profiling(
        run_id="run",
        seed=1,
        options=RunOptions(),
        data=None,
        request=ProfileRequest(steps=STEPS, largest_trace_bytes=0),
    )
    launchers: dict[Arm, Launcher] = {
        "baseline": LocalLauncher(sys.executable, baseline),
        "candidate": LocalLauncher(sys.executable, candidate),
    }
    taken = profile_in_turns(profiling, launchers, case, LAUNCHES, lambda _: None)
    launches = [Taken(arm=arm, profile=profile, folder=folder) for arm, profile, folder in taken]
    profile = merge("run", case, launches, builds={}, profiled_at="2026-01-05T12:00:00+00:00")
    return explain(profile, None)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_cause_is_named_first_with_its_sign_and_its_size(name: str, tmp_path: Path) -> None:
    plant, before, after = PLANTS[name], tmp_path / "before", tmp_path / "after"
    timer = (MODEL,) if plant.kind == "layout" else ()
    times = [planted(before, *timer), planted(after, *timer, *plant.edits)]
    found = explained(after, plant.workload, ranks=plant.ranks, baseline=before)
    assert not found.refusal
    first = found.causes[0]
    assert first.kind == plant.kind
    assert first.what.startswith(plant.words)
    if plant.kind == "layout":
        whole = [fmean(middle(taken) for taken in times_of(truth).values()) for truth in times]
        true = whole[1] - whole[0]
    else:
        pooled = [seconds for taken in times_of(times[1]).values() for seconds in taken]
        true = median(pooled) if plant.kind == "rank" else middle(pooled)
    told = f"{found.plain} {found.profiled} {found.waited}"
    # What the layout changes is a difference of whole models: their own CPU time is not told better than to 1 %.
    noise = 0.01 * found.profiled.baseline if plant.kind == "layout" else 0.0
    assert first.change.seconds == pytest.approx(true, rel=0.2, abs=noise), told


@pytest.mark.usefixtures("cache")
def test_of_two_equal_builds_nothing_is_found(tmp_path: Path) -> None:
    shutil.copytree(SOURCE / "ssdbench", tmp_path / "tree" / "ssdbench")
    found = explained(tmp_path / "tree", "infer")
    assert found.causes == ()
    assert found.detectable_seconds[0] > 0
